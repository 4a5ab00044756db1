/* smtp_carry.h - what the transports that speak SMTP share: see struct transport. */
#pragma once

#include "transport.h"

enum rc smtp_carry_open(struct transport_line *line, const struct desk *desk,
                        const struct tls_policy *policy, struct stream *stream,
                        struct deadline until) RC_CHECKED;
enum transport_sent smtp_carry_send(struct transport_line *line, struct arena *a,
                                    struct cargo *cargo, struct smtp_client_mail *m);
void smtp_carry_close(struct transport_line *line);
