/* svc_listen.h - what an operator is told when nobody can listen.  Thread: any. */
#pragma once

/* By errno, as listen_socket_open leaves it. */
void svc_listen_failed(const char *option, const char *address, int port);
