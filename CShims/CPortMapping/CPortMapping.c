#define _GNU_SOURCE // pipe2

#include "CPortMapping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <natpmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if MINIUPNPC_API_VERSION < 14
#error "upnpDiscoverDevices takes other arguments in this version of miniupnpc."
#endif

// RFC 6886, section 3.1: 250 ms, doubled for each repetition. Three tries.
static const int natpmp_milliseconds = 1750;
// The search ends after this time without another answer. Routers answer within a second, because the library derives
// that limit (MX) from this time.
static const int search_milliseconds = 1000;
static const unsigned char search_hops = 2;
// Conflict with the mapping of another machine (WANIPConnection:1, section 2.4.16).
static const int upnp_conflict = 718;
// What the child may take beyond what this process has when it begins.
static const rlim_t memory = 64 << 20;

static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static CPortMapping_Answer outcome(int outcome, int code) {
  return (CPortMapping_Answer){.outcome = outcome, .code = code};
}

// MARK: NAT-PMP

// Waits for an answer of this type; returns 0, or the library's error. The library takes datagrams from the gateway only.
static int read_answer(natpmp_t *router, int type, natpmpresp_t *answer) {
  const long end = now() + natpmp_milliseconds;
  for (;;) {
    struct timeval pause;
    if (getnatpmprequesttimeout(router, &pause) < 0) pause = (struct timeval){0, 0};
    long wait = pause.tv_sec * 1000 + pause.tv_usec / 1000 + 1;
    const long left = end - now();
    if (left <= 0) return NATPMP_TRYAGAIN;
    struct pollfd socket = {.fd = router->s, .events = POLLIN};
    poll(&socket, 1, (int)(wait < left ? wait : left));
    const int result = readnatpmpresponseorretry(router, answer);
    if (result == NATPMP_TRYAGAIN) continue;
    if (result != 0 || answer->type == type) return result;
    // A late answer to a repetition of the question before. The library takes it for the one that is awaited.
    router->has_pending_request = 1;
  }
}

static CPortMapping_Answer natpmp_failure(int code) {
  switch (code) {
  case NATPMP_ERR_NOTAUTHORIZED:
  case NATPMP_ERR_NETWORKFAILURE:
  case NATPMP_ERR_OUTOFRESOURCES:
  case NATPMP_ERR_UNDEFINEDERROR: return outcome(CPortMapping_REFUSED, code);
  default: return outcome(CPortMapping_SILENT, code);
  }
}

static CPortMapping_Answer ask_natpmp(const CPortMapping_Question *question) {
  natpmp_t router;
  natpmpresp_t answer;
  CPortMapping_Answer granted = outcome(CPortMapping_GRANTED, 0);
  int result = initnatpmp(&router, 1, question->gateway);
  if (result < 0) return natpmp_failure(result);
  if (question->seconds > 0) {
    result = sendpublicaddressrequest(&router);
    if (result < 0) return natpmp_failure(result);
    result = read_answer(&router, NATPMP_RESPTYPE_PUBLICADDRESS, &answer);
    if (result < 0) return natpmp_failure(result);
    granted.outside = answer.pnu.publicaddress.addr.s_addr;
  }
  // RFC 6886, section 3.4: a mapping is removed with the outside port 0.
  const uint16_t outer = question->seconds > 0 ? question->outer_port : 0;
  const int protocol = question->is_udp ? NATPMP_PROTOCOL_UDP : NATPMP_PROTOCOL_TCP;
  result = sendnewportmappingrequest(&router, protocol, question->inner_port, outer, question->seconds);
  if (result < 0) return natpmp_failure(result);
  const int type = question->is_udp ? NATPMP_RESPTYPE_UDPPORTMAPPING : NATPMP_RESPTYPE_TCPPORTMAPPING;
  result = read_answer(&router, type, &answer);
  if (result < 0) return natpmp_failure(result);
  if (answer.pnu.newportmapping.privateport != question->inner_port) return outcome(CPortMapping_SILENT, 0);
  granted.outer_port = answer.pnu.newportmapping.mappedpublicport;
  granted.seconds = answer.pnu.newportmapping.lifetime;
  return granted;
}

// MARK: UPnP

// Whether the URL leads to the gateway. Otherwise, any machine that answers the search could make this one send anything
// anywhere.
static int leads_to(uint32_t gateway, const char *url) {
  char prefix[32], host[INET_ADDRSTRLEN];
  const struct in_addr address = {gateway};
  if (url == NULL || inet_ntop(AF_INET, &address, host, sizeof host) == NULL) return 0;
  const int length = snprintf(prefix, sizeof prefix, "http://%s", host);
  return strncmp(url, prefix, (size_t)length) == 0 && (url[length] == ':' || url[length] == '/');
}

// Asks one connection of the device.
static CPortMapping_Answer ask_connection(
  const CPortMapping_Question *question, const char *url, const char *service, const char *own
) {
  const char *const protocol = question->is_udp ? "UDP" : "TCP";
  char outer[8], inner[8], seconds[12], outside[40] = "";
  snprintf(outer, sizeof outer, "%u", question->outer_port);
  snprintf(inner, sizeof inner, "%u", question->inner_port);
  snprintf(seconds, sizeof seconds, "%u", question->seconds);
  if (question->seconds == 0) {
    const int code = UPNP_DeletePortMapping(url, service, outer, protocol, NULL);
    return code == UPNPCOMMAND_SUCCESS ? outcome(CPortMapping_GRANTED, 0) : outcome(CPortMapping_REFUSED, code);
  }
  int code = UPNP_GetExternalIPAddress(url, service, outside);
  // Negative codes are the library's: the answer was none.
  if (code != UPNPCOMMAND_SUCCESS) return outcome(code > 0 ? CPortMapping_REFUSED : CPortMapping_SILENT, code);
  CPortMapping_Answer granted = outcome(CPortMapping_GRANTED, 0);
  struct in_addr address;
  outside[sizeof outside - 1] = 0;
  if (inet_pton(AF_INET, outside, &address) == 1) granted.outside = address.s_addr;
  code = UPNP_AddPortMapping(url, service, outer, inner, own, "kachery", protocol, NULL, seconds);
  if (code != UPNPCOMMAND_SUCCESS) {
    if (code == upnp_conflict) return outcome(CPortMapping_TAKEN, code);
    return outcome(code > 0 ? CPortMapping_REFUSED : CPortMapping_SILENT, code);
  }
  granted.outer_port = question->outer_port;
  granted.seconds = question->seconds;
  return granted;
}

// The answer of the router with this description.
static CPortMapping_Answer located(CPortMapping_Answer answer, const char *description) {
  if (strlen(description) < sizeof answer.location) strcpy(answer.location, description);
  return answer;
}

static CPortMapping_Answer ask_device(const CPortMapping_Question *question, const char *description) {
  struct UPNPUrls urls;
  struct IGDdatas device;
  char own[64] = "";
  memset(&urls, 0, sizeof urls);
  memset(&device, 0, sizeof device);
  if (UPNP_GetIGDFromUrl(description, &urls, &device, own, sizeof own) != 1) return outcome(CPortMapping_SILENT, 0);
  if (device.first.servicetype[0] == 0 || !leads_to(question->gateway, urls.controlURL)) {
    return outcome(CPortMapping_SILENT, 0);
  }
  CPortMapping_Answer answer = ask_connection(question, urls.controlURL, device.first.servicetype, own);
  if (answer.outcome == CPortMapping_GRANTED) return located(answer, description);
  if (device.second.servicetype[0] == 0) return answer;
  // The router offers a second kind of connection, which may be the one in use.
  device.first = device.second;
  GetUPNPUrls(&urls, &device, description, 0);
  if (!leads_to(question->gateway, urls.controlURL)) return answer;
  const CPortMapping_Answer other = ask_connection(question, urls.controlURL, device.first.servicetype, own);
  return other.outcome == CPortMapping_GRANTED ? located(other, description) : answer;
}

static CPortMapping_Answer ask_upnp(const CPortMapping_Question *question) {
  if (leads_to(question->gateway, question->location)) {
    const CPortMapping_Answer answer = ask_device(question, question->location);
    if (answer.outcome != CPortMapping_SILENT) return answer;
  }
  const char *const types[] = {"urn:schemas-upnp-org:device:InternetGatewayDevice:1", NULL};
  int error = 0;
  struct UPNPDev *device = upnpDiscoverDevices(
    types, search_milliseconds, question->interface, NULL, UPNP_LOCAL_PORT_ANY, 0, search_hops, &error, 0);
  CPortMapping_Answer answer = outcome(CPortMapping_SILENT, error);
  for (; device != NULL; device = device->pNext) {
    if (!leads_to(question->gateway, device->descURL)) continue;
    answer = ask_device(question, device->descURL);
    if (answer.outcome != CPortMapping_SILENT) break;
  }
  return answer;
}

// MARK: The child process

// Bounds what the libraries may do.
static void confine(int result, int milliseconds) {
  // The child must not outlive the process, nor hold its sockets and files. The libraries write to standard error.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(result, 3);
  syscall(SYS_close_range, 4, ~0U, 0);
  const int nowhere = open("/dev/null", O_RDWR);
  for (int descriptor = 0; descriptor < 3; descriptor++) dup2(nowhere, descriptor);
  close(nowhere);
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_FSIZE, &none);
  struct rlimit limit = {0, 0};
  unsigned long pages = 0;
  FILE *status = fopen("/proc/self/statm", "r");
  if (status != NULL && fscanf(status, "%lu", &pages) == 1) {
    limit.rlim_cur = limit.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + memory;
    setrlimit(RLIMIT_AS, &limit);
  }
  if (status != NULL) fclose(status);
  // If the other process does not end the child in time, the child ends itself.
  signal(SIGALRM, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_UNBLOCK, &all, NULL);
  alarm((unsigned)milliseconds / 1000 + 2);
}

static int read_result(int result, int cancellation, CPortMapping_Answer *answer, int milliseconds) {
  const long end = now() + milliseconds;
  for (;;) {
    const long left = end - now();
    struct pollfd ends[] = {{.fd = result, .events = POLLIN}, {.fd = cancellation, .events = POLLIN}};
    const int ready = left > 0 ? poll(ends, 2, (int)left) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || ends[1].revents != 0) return 0;
    // Fewer bytes than a pipe takes at once (PIPE_BUF) arrive together.
    if (read(result, answer, sizeof *answer) != sizeof *answer) return 0;
    answer->location[sizeof answer->location - 1] = 0;
    return 1;
  }
}

int CPortMapping_cancellation(void) {
  const int descriptor = eventfd(0, EFD_CLOEXEC);
  return descriptor < 0 ? -errno : descriptor;
}

void CPortMapping_cancel(int cancellation) {
  if (cancellation >= 0) eventfd_write(cancellation, 1);
}

void CPortMapping_close(int cancellation) {
  if (cancellation >= 0) close(cancellation);
}

CPortMapping_Answer CPortMapping_ask(CPortMapping_Question question, int milliseconds, int cancellation) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return outcome(CPortMapping_FAILED, errno);
  // Until it is confined, the child must not run this process's handlers.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = fork();
  if (child == 0) {
    confine(ends[1], milliseconds);
    const CPortMapping_Answer answer =
      question.protocol == CPortMapping_NATPMP ? ask_natpmp(&question) : ask_upnp(&question);
    _exit(write(3, &answer, sizeof answer) == sizeof answer ? 0 : 1);
  }
  const int failure = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  CPortMapping_Answer answer = outcome(CPortMapping_SILENT, 0);
  if (child < 0) {
    answer = outcome(CPortMapping_FAILED, failure);
  } else {
    if (!read_result(ends[0], cancellation, &answer, milliseconds)) answer = outcome(CPortMapping_SILENT, 0);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
  }
  close(ends[0]);
  return answer;
}
