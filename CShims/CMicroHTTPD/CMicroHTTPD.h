#ifndef KACHERY_CMICROHTTPD_H
#define KACHERY_CMICROHTTPD_H

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Where a server listens, and its limits.
struct CMicroHTTPD_settings {
  const struct sockaddr *address;         // or NULL, and then `socket` is listening already; the library closes it
  int socket;
  unsigned int connections, idle_seconds;
  const char *certificate, *key;          // both in PEM, for TLS; or NULL
  int keeps_escapes;                      // whether paths and queries stay percent-encoded, as they were sent
};

// Stands in for the library's own decoding of paths and queries, and changes nothing.
static inline size_t CMicroHTTPD_keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
  (void)context, (void)connection;
  return strlen(text);
}

// MHD_start_daemon is variadic, which Swift cannot call. TLS is 1.2 and later, with the library's default priorities of
// GnuTLS, except older versions.
static inline struct MHD_Daemon *CMicroHTTPD_start(struct CMicroHTTPD_settings settings,
                                                   MHD_AccessHandlerCallback handler,
                                                   MHD_RequestCompletedCallback completed,
                                                   MHD_NotifyConnectionCallback noticed, void *context) {
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)settings.certificate},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)settings.key},
      {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
      {MHD_OPTION_END, 0, NULL}};
  struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  struct MHD_OptionItem decoding[] = {{MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)CMicroHTTPD_keep_escapes, NULL},
                                      {MHD_OPTION_END, 0, NULL}};
  struct MHD_OptionItem place[] = {{MHD_OPTION_LISTEN_SOCKET, settings.socket, NULL}, {MHD_OPTION_END, 0, NULL}};
  if (settings.address != NULL) place[0] = (struct MHD_OptionItem){MHD_OPTION_SOCK_ADDR, 0, (void *)settings.address};
  return MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (settings.certificate == NULL ? 0 : MHD_USE_TLS), 0, NULL, NULL,
      handler, context, MHD_OPTION_CONNECTION_LIMIT, settings.connections, MHD_OPTION_CONNECTION_TIMEOUT,
      settings.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(96 << 10), MHD_OPTION_LISTEN_BACKLOG_SIZE,
      (unsigned int)1024, MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_NOTIFY_CONNECTION, noticed,
      context, MHD_OPTION_ARRAY, settings.certificate == NULL ? none : tls, MHD_OPTION_ARRAY,
      settings.keeps_escapes ? decoding : none, MHD_OPTION_ARRAY, place, MHD_OPTION_END);
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

// The descriptor of a connection, or -1; MHD_get_connection_info is variadic as well.
static inline int CMicroHTTPD_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

// What the server remembers with a connection.
static inline void *CMicroHTTPD_connection_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

// Whether the client has closed its side, or is gone: the library does not watch a suspended connection. 0x2000 is
// POLLRDHUP, which the header hides unless _GNU_SOURCE is defined. Reading would not show the end behind unread bytes,
// such as the last record of TLS.
static inline int CMicroHTTPD_has_hung_up(struct MHD_Connection *connection) {
  struct pollfd ask = {CMicroHTTPD_socket(connection), 0x2000, 0};
  return ask.fd >= 0 && poll(&ask, 1, 0) > 0;
}

// The first byte that the client has sent and the library has not read; -1 if there is none.
static inline int CMicroHTTPD_next_byte(struct MHD_Connection *connection) {
  unsigned char byte;
  return recv(CMicroHTTPD_socket(connection), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1 ? byte : -1;
}

// The IPv4 address at the other end, in network byte order; 0 if there is none.
static inline uint32_t CMicroHTTPD_peer_address(int descriptor) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  if (getpeername(descriptor, (struct sockaddr *)&address, &size) != 0 || address.sin_family != AF_INET) return 0;
  return address.sin_addr.s_addr;
}

// Lets the kernel notice within two minutes that the other machine is gone.
static inline void CMicroHTTPD_keep_alive(int descriptor) {
  int on = 1, idle = 60, period = 15, count = 4;
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &period, sizeof period);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
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

// The user who owns the other end of a TCP connection over the loopback interface, or -1 if the kernel does not name one
// (sock_diag(7)). Only of an open socket in use: the kernel reports root as the owner of one that was closed.
static inline int64_t CMicroHTTPD_loopback_user(int descriptor) {
  struct sockaddr_in here, there;
  socklen_t size = sizeof here;
  if (getsockname(descriptor, (struct sockaddr *)&here, &size) != 0 || here.sin_family != AF_INET) return -1;
  size = sizeof there;
  if (getpeername(descriptor, (struct sockaddr *)&there, &size) != 0 || ntohl(there.sin_addr.s_addr) >> 24 != 127) {
    return -1;
  }
  struct { struct nlmsghdr head; struct inet_diag_req_v2 socket; } request;
  memset(&request, 0, sizeof request);
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = NLM_F_REQUEST;
  request.socket.sdiag_family = AF_INET;
  request.socket.sdiag_protocol = IPPROTO_TCP;
  request.socket.idiag_states = 1u << TCP_ESTABLISHED;
  request.socket.id.idiag_sport = there.sin_port;
  request.socket.id.idiag_dport = here.sin_port;
  request.socket.id.idiag_src[0] = there.sin_addr.s_addr;
  request.socket.id.idiag_dst[0] = here.sin_addr.s_addr;
  request.socket.id.idiag_cookie[0] = request.socket.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  int kernel = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (kernel < 0) return -1;
  union { struct nlmsghdr head; struct { struct nlmsghdr head; struct inet_diag_msg socket; } found; char room[1024]; }
      reply;
  memset(&reply, 0, sizeof reply);
  // The kernel answers before `send` returns.
  ssize_t count = send(kernel, &request, sizeof request, 0) == (ssize_t)sizeof request
                      ? recv(kernel, &reply, sizeof reply, MSG_DONTWAIT) : -1;
  close(kernel);
  if (count < (ssize_t)sizeof reply.found || reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY) return -1;
  const struct inet_diag_msg *found = &reply.found.socket;
  int is_this_one = found->idiag_state == TCP_ESTABLISHED && found->idiag_inode != 0
                    && found->id.idiag_sport == there.sin_port && found->id.idiag_dport == here.sin_port
                    && found->id.idiag_src[0] == there.sin_addr.s_addr
                    && found->id.idiag_dst[0] == here.sin_addr.s_addr;
  return is_this_one ? (int64_t)found->idiag_uid : -1;
}

#if MHD_VERSION < 0x01000000
// The headers of a head as they lie in the library's buffer: each line is a name, a colon, blanks, a value and CRLF, of
// which the library has replaced the colon and the line end by zeros.
struct CMicroHTTPD_lines { const char *next; int are_plain; };
static inline enum MHD_Result CMicroHTTPD_check_line(void *context, enum MHD_ValueKind kind, const char *name,
                                                     const char *value) {
  struct CMicroHTTPD_lines *lines = (struct CMicroHTTPD_lines *)context;
  (void)kind;
  if (name != lines->next || value == NULL) lines->are_plain = 0;
  if (!lines->are_plain) return MHD_NO;
  const char *blank = name + strlen(name) + 1;
  while (blank < value && (*blank == ' ' || *blank == '\t')) blank++;
  if (blank != value) lines->are_plain = 0;
  lines->next = value + strlen(value) + 2;
  return MHD_YES;
}
#else
// From this version on, the library replaces the line end of a folded line by blanks where it stands, so that at least
// three of them follow each other.
static inline enum MHD_Result CMicroHTTPD_check_line(void *context, enum MHD_ValueKind kind, const char *name,
                                                     const char *value) {
  int *are_plain = (int *)context, blanks = 0;
  (void)kind, (void)name;
  for (; value != NULL && *value != 0 && *are_plain; value++) {
    blanks = *value == ' ' || *value == '\t' ? blanks + 1 : 0;
    if (blanks == 3) *are_plain = 0;
  }
  return *are_plain ? MHD_YES : MHD_NO;
}
#endif

// Whether no header is folded over several lines, and no line contains a zero or ends without CR: the library accepts
// all of these and does not report them. To be called from the access handler, with its own arguments.
static inline int CMicroHTTPD_lines_are_plain(struct MHD_Connection *connection, const char *method,
                                              const char *version) {
#if MHD_VERSION < 0x01000000
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  struct CMicroHTTPD_lines lines = {version + strlen(version) + 2, 1};
  if (info == NULL) return 0;
  MHD_get_connection_values(connection, MHD_HEADER_KIND, CMicroHTTPD_check_line, &lines);
  return lines.are_plain && lines.next + 2 == method + info->header_size;
#else
  int are_plain = 1;
  (void)method, (void)version;
  MHD_get_connection_values(connection, MHD_HEADER_KIND, CMicroHTTPD_check_line, &are_plain);
  return are_plain;
#endif
}

// The first byte after the head if the library has read it already, else 0: the library fills its buffer with zeros
// before a request. To be called from the access handler, with its own argument.
static inline uint8_t CMicroHTTPD_byte_after_head(struct MHD_Connection *connection, const char *method) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  // A longer head might fill the buffer to its end.
  return info == NULL || info->header_size > (32 << 10) ? 1 : (uint8_t)method[info->header_size];
}

// The size is UINT64_MAX if it is not known; the library's macro for that has a cast, which Swift cannot import.
static inline struct MHD_Response *CMicroHTTPD_stream(uint64_t size, size_t block_size,
                                                      MHD_ContentReaderCallback reader, void *context) {
  return MHD_create_response_from_callback(size == UINT64_MAX ? MHD_SIZE_UNKNOWN : size, block_size, reader, context,
                                           NULL);
}

// A macro with a cast, which Swift cannot import.
static inline ssize_t CMicroHTTPD_end_of_stream(void) { return MHD_CONTENT_READER_END_OF_STREAM; }

#endif
