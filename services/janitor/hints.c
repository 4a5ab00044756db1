/* hints.c - after a commit: tell the gateways which mailboxes lost messages. */
#include "hints.h"

#include "bus/bus.h"
#include "store/store_expire.h"
#include "store/store_ids.h"

int64_t hints_send(struct bus *bus, const struct store_expire_hint *h, size_t n)
{
    int64_t removed = 0;

    for (size_t i = 0; i < n; i++) {
        struct msg m = { .kind = MSG_mailbox_changed };

        m.mailbox_changed.account = store_ids_account_of(h[i].mailbox);
        m.mailbox_changed.mailbox = h[i].mailbox;
        m.mailbox_changed.modseq = h[i].modseq;
        m.mailbox_changed.uidnext = h[i].uidnext;
        bus_publish(bus, &m);
        removed += h[i].removed;
    }
    return removed;
}
