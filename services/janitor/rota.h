/* rota.h - one janitor works at a time, and runs each task when it is due.
 *
 * The right to work is an advisory lock of PostgreSQL on a connection of its own: when
 * the process or the connection dies, another replica goes on within seconds.
 * Thread: the main thread; starts its own.
 */
#pragma once

#include <stdbool.h>

struct rota;
struct svc;

struct rota *rota_new(struct svc *svc);
void rota_drain(struct rota *r); /* ends between two transactions */
bool rota_is_drained(struct rota *r);
void rota_free(struct rota **r);
