/* cond_test.c - a wait ends when it is told to, and at its deadline. */
#include "base/cond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news;
static bool told;

static void *tell(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    told = true;
    pthread_cond_signal(&news);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void test_told(void **state)
{
    struct deadline until = deadline_in_ms(10000);
    pthread_t thread;

    (void)state;
    told = false;
    cond_init(&news);
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, tell, NULL), 0);
    while (!told && cond_wait(&news, &lock, until))
        ;
    assert_true(told);
    assert_false(deadline_passed(until));
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&news);
}

static void test_deadline(void **state)
{
    struct deadline until = deadline_in_ms(20);

    (void)state;
    cond_init(&news);
    pthread_mutex_lock(&lock);
    while (cond_wait(&news, &lock, until))
        ;
    assert_true(deadline_passed(until));
    assert_false(cond_wait(&news, &lock, (struct deadline){ 0 })); /* long ago */
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&news);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
