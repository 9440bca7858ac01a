#ifndef KACHERY_CMICROHTTPD_H
#define KACHERY_CMICROHTTPD_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

// MHD_start_daemon is variadic, which Swift cannot call.
static inline struct MHD_Daemon *CMicroHTTPD_start(const struct sockaddr *address, unsigned int connection_limit,
                                                   unsigned int idle_seconds, MHD_AccessHandlerCallback handler,
                                                   void *context, MHD_RequestCompletedCallback completed) {
  return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handler, context,
                          MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT, connection_limit,
                          MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                          (size_t)(96 << 10), MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned int)1024,
                          MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_END);
}

// As above, on a socket that is already listening; the library closes it in the end.
static inline struct MHD_Daemon *CMicroHTTPD_start_on(int descriptor, unsigned int connection_limit,
                                                      unsigned int idle_seconds, MHD_AccessHandlerCallback handler,
                                                      void *context, MHD_RequestCompletedCallback completed) {
  return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handler, context,
                          MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_CONNECTION_LIMIT, connection_limit,
                          MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                          (size_t)(96 << 10), MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_END);
}

// As above, with TLS; both texts are PEM. TLS 1.2 and later, with the library's default priorities of GnuTLS, except
// older versions.
static inline struct MHD_Daemon *CMicroHTTPD_start_tls(const struct sockaddr *address, unsigned int connection_limit,
                                                       unsigned int idle_seconds, MHD_AccessHandlerCallback handler,
                                                       void *context, MHD_RequestCompletedCallback completed,
                                                       const char *certificate, const char *key) {
  return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TLS, 0, NULL, NULL, handler, context,
                          MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT, connection_limit,
                          MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                          (size_t)(96 << 10), MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned int)1024,
                          MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key,
                          MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1", MHD_OPTION_NOTIFY_COMPLETED,
                          completed, context, MHD_OPTION_END);
}

// MHD_get_daemon_info is variadic as well.
static inline int CMicroHTTPD_descriptor(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
  return info == NULL ? -1 : info->epoll_fd;
}

// As above.
static inline uint16_t CMicroHTTPD_port(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info == NULL ? 0 : info->port;
}

// Whether the client has closed its side: the library does not watch a suspended connection.
static inline int CMicroHTTPD_has_hung_up(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  char byte;
  return info != NULL && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

// The descriptor of a connection, or -1; as above.
static inline int CMicroHTTPD_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

// The user at the other end of a Unix socket when it connected, or -1. The header hides the struct unless _GNU_SOURCE
// is defined, which Swift does not define.
static inline int64_t CMicroHTTPD_peer_user(int descriptor, uint32_t *group) {
  struct { int32_t process; uint32_t user, group; } peer;
  socklen_t size = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer) return -1;
  *group = peer.group;
  return (int64_t)peer.user;
}

// That user's supplementary groups, at most `count`; returns their number, or -1. 59 is SO_PEERGROUPS (Linux 4.13),
// which older headers lack.
static inline int CMicroHTTPD_peer_groups(int descriptor, uint32_t *groups, int count) {
  socklen_t size = (socklen_t)(sizeof *groups * (size_t)count);
  return getsockopt(descriptor, SOL_SOCKET, 59, groups, &size) != 0 ? -1 : (int)(size / sizeof *groups);
}

// The size is a macro with a cast, which Swift cannot import.
static inline struct MHD_Response *CMicroHTTPD_stream(size_t block_size, MHD_ContentReaderCallback reader,
                                                      void *context) {
  return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block_size, reader, context, NULL);
}

// A macro with a cast, which Swift cannot import.
static inline ssize_t CMicroHTTPD_end_of_stream(void) { return MHD_CONTENT_READER_END_OF_STREAM; }

#endif
