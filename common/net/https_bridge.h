/* https_bridge.h - ends TLS with net/conn and hands the plain bytes to an http_server.
 *
 * So all TLS of the product is one stack with one way to swap certificates, and PROXY
 * protocol works for HTTPS as for mail.  Each connection is a socket pair: one end is
 * the server's, the other is copied to and from the TLS side on the loop.
 *
 * Use: listener_options.handler = https_bridge_handler(), .user = the http_server.  With
 * a listener in the clear and a server that adopts_plain it gives HTTP PROXY protocol.
 */
#pragma once

#include "net/conn.h"

const struct conn_handler *https_bridge_handler(void);
