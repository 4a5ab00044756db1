/* https_bridge.h - takes connections with net/conn and hands an http_server the requests.
 *
 * So all TLS of the product is one stack with one way to swap certificates, PROXY
 * protocol and limits are those of mail, and http_framer sees every request first.  Each
 * connection is a socket pair: one end is the server's, the other is copied to and from
 * the client's side on the loop.
 *
 * Use: listener_options.handler = https_bridge_handler(), .user = the http_server; for
 * HTTP a listener in the clear and a server that adopts_plain.
 */
#pragma once

#include "net/conn.h"

const struct conn_handler *https_bridge_handler(void);
