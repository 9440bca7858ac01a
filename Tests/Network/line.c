// An emulated line between two network namespaces, for kernels without netem. `line.py` compiles and drives it.
//
// Each namespace has a TUN device. In each direction a packet is lost at random, then waits in a queue that drops what
// does not fit, leaves it at the rate of the line, and arrives after the delay. This process ends when its standard input
// does, and ends all processes in the namespaces. These have no names, so they vanish with their processes.
//
// The devices pass on TCP segments in groups of up to 64 KiB, as network cards do, and UDP datagrams if the kernel can. That
// is what makes 1 Gbit/s cheap. Loss, queue and rate still apply to each of them: a group is split where one is lost.
//
// The first line on standard output gives the descriptors of the two namespaces. Then each line of standard input is a
// setting (`rate 1e8`, in the units of `change` below) or `counters`; after each the counters are printed. SIGUSR1
// switches the line off and on: while it is off, everything is dropped silently.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Since Linux 6.2; older headers lack them.
enum { GROUPS_OF_UDP = 5, OFFLOAD_OF_UDP = 0x20 | 0x40 };
enum { HEADER = sizeof(struct virtio_net_hdr), LARGEST_READ = HEADER + 65536, READS_PER_TURN = 64 };

// Segments of one group that the line carries within this time arrive together, as with a card that coalesces
// interrupts. In nanoseconds.
static const uint64_t COALESCED = 500000;

static struct {
  double rate;      // bytes per nanosecond; 0 is unlimited
  uint64_t delay;   // nanoseconds, one way
  uint64_t queue;   // nanoseconds that a packet waits at most
  uint64_t loss;    // a random number below this loses the packet
  uint32_t largest; // bytes; 0 is unlimited
  bool off;
} settings;

struct packet {
  struct packet *next;
  uint64_t due;
  size_t size; // of `bytes`: the header of the device, then the packet
  char padding[6]; // aligns the packet behind its header of 10 bytes
  unsigned char bytes[];
};

struct direction {
  int from, to;
  struct packet *first, **end;
  double free_at; // when the line has carried everything that was accepted
  uint64_t random[2];
  uint64_t packets, bytes, lost, overflowed, too_large, dropped_off, failed_writes, latest;
};

static struct direction directions[2];
static volatile sig_atomic_t ended, toggled;

static void on_end(int signal) { (void)signal, ended = 1; }
static void on_toggle(int signal) { (void)signal, toggled = !toggled; }

static void fail(const char *what) {
  fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// xorshift128+, so that a seed repeats the same losses on every system.
static uint64_t next_random(uint64_t state[2]) {
  uint64_t a = state[0], b = state[1];
  state[0] = b;
  a ^= a << 23;
  state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
  return state[1] + b;
}

static void seed(struct direction *direction, uint64_t number) {
  direction->random[0] = number * 0x9E3779B97F4A7C15u + 1;
  direction->random[1] = 0xBF58476D1CE4E5B9u;
  for (int i = 0; i < 20; i++) next_random(direction->random);
}

// Offers one packet of `size` bytes to the line. Returns when it arrives, or 0 if the line drops it.
static uint64_t offer(struct direction *direction, size_t size, uint64_t time) {
  if (settings.off) return direction->dropped_off++, 0;
  if (settings.largest && size > settings.largest) return direction->too_large++, 0;
  if (settings.loss && next_random(direction->random) < settings.loss) return direction->lost++, 0;
  if (direction->free_at < (double)time) direction->free_at = (double)time;
  if (direction->free_at - (double)time > (double)settings.queue) return direction->overflowed++, 0;
  if (settings.rate > 0) direction->free_at += (double)size / settings.rate;
  direction->packets++, direction->bytes += size;
  return (uint64_t)direction->free_at + settings.delay;
}

static struct packet *append(struct direction *direction, size_t size, uint64_t due) {
  struct packet *packet = malloc(sizeof *packet + size);
  if (!packet) fail("no memory");
  packet->next = NULL, packet->due = due, packet->size = size;
  *direction->end = packet, direction->end = &packet->next;
  return packet;
}

static uint32_t sum_of(const void *bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < size; i += 2) {
    uint16_t word;
    memcpy(&word, (const char *)bytes + i, 2);
    sum += word;
  }
  return sum;
}

static uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  return (uint16_t)sum;
}

// A group of TCP segments or UDP datagrams: one packet whose payload the receiver's device would have got in parts of
// `segment` bytes.
struct group {
  const unsigned char *bytes; // as read from the device
  size_t headers, payload, segment;
};

// Queues the part of a group's payload from `start` to `end` as a packet of its own.
static void append_part(struct direction *direction, const struct group *group, size_t start, size_t end, uint64_t due) {
  size_t size = end - start;
  struct packet *packet = append(direction, HEADER + group->headers + size, due);
  memcpy(packet->bytes, group->bytes, HEADER + group->headers);
  memcpy(packet->bytes + HEADER + group->headers, group->bytes + HEADER + group->headers + start, size);

  struct virtio_net_hdr *device = (struct virtio_net_hdr *)packet->bytes;
  if (size <= group->segment) device->gso_type = VIRTIO_NET_HDR_GSO_NONE, device->gso_size = 0;
  struct iphdr *ip = (struct iphdr *)(packet->bytes + HEADER);
  size_t ip_size = ip->ihl * 4u;
  ip->tot_len = htons((uint16_t)(group->headers + size));
  ip->id = htons((uint16_t)(ntohs(ip->id) + start / group->segment));
  ip->check = 0;
  ip->check = (uint16_t)~folded(sum_of(ip, ip_size));
  // The rest of the checksum is left to the receiver's device, which need not compute it. The field holds the sum of the
  // pseudo-header: both addresses, the protocol and the length.
  uint16_t length = htons((uint16_t)(group->headers - ip_size + size));
  uint16_t check = folded(sum_of(&ip->saddr, 8) + htons(ip->protocol) + length);
  if (ip->protocol == IPPROTO_UDP) {
    struct udphdr *udp = (struct udphdr *)(packet->bytes + HEADER + ip_size);
    udp->len = length, udp->check = check;
    return;
  }
  struct tcphdr *tcp = (struct tcphdr *)(packet->bytes + HEADER + ip_size);
  tcp->seq = htonl(ntohl(tcp->seq) + (uint32_t)start);
  if (end < group->payload) tcp->fin = 0, tcp->psh = 0;
  tcp->check = check;
}

static void offer_group(struct direction *direction, const struct group *group, uint64_t time) {
  size_t start = 0;        // of the part that is queued next
  uint64_t due = 0;        // of its last segment; 0 while it is empty
  uint64_t first_due = 0;  // of its first segment
  for (size_t at = 0; at < group->payload; at += group->segment) {
    size_t left = group->payload - at, size = left < group->segment ? left : group->segment;
    uint64_t arrival = offer(direction, group->headers + size, time);
    if (due && (!arrival || arrival - first_due > COALESCED)) {
      append_part(direction, group, start, at, due);
      due = 0;
    }
    if (!arrival) continue;
    if (!due) start = at, first_due = arrival;
    due = arrival;
    if (left <= group->segment) append_part(direction, group, start, group->payload, due), due = 0;
  }
}

static void take(struct direction *direction, const unsigned char *bytes, size_t size, uint64_t time) {
  const struct virtio_net_hdr *device = (const struct virtio_net_hdr *)bytes;
  if (device->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
    uint64_t due = offer(direction, size - HEADER, time);
    if (due) memcpy(append(direction, size, due)->bytes, bytes, size);
    return;
  }
  const struct iphdr *ip = (const struct iphdr *)(bytes + HEADER);
  bool is_tcp = device->gso_type == VIRTIO_NET_HDR_GSO_TCPV4;
  if (!(is_tcp || device->gso_type == GROUPS_OF_UDP) || ip->version != 4 || !device->gso_size) {
    fprintf(stderr, "line: a group of an unknown kind, %u\n", device->gso_type);
    exit(1);
  }
  const struct tcphdr *tcp = (const struct tcphdr *)(bytes + HEADER + ip->ihl * 4u);
  size_t headers = ip->ihl * 4u + (is_tcp ? tcp->doff * 4u : sizeof(struct udphdr));
  offer_group(direction, &(struct group){bytes, headers, size - HEADER - headers, device->gso_size}, time);
}

static void read_device(struct direction *direction) {
  static _Alignas(8) unsigned char buffer[LARGEST_READ + 8];
  // As in struct packet, so that the packet is aligned.
  unsigned char *bytes = buffer + 2;
  for (int i = 0; i < READS_PER_TURN; i++) {
    ssize_t size = read(direction->from, bytes, LARGEST_READ);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < HEADER) fail("cannot read a device");
    take(direction, bytes, (size_t)size, now());
  }
}

static void deliver(struct direction *direction) {
  uint64_t time = now();
  while (direction->first && direction->first->due <= time) {
    struct packet *packet = direction->first;
    if (!(direction->first = packet->next)) direction->end = &direction->first;
    if (settings.off) {
      direction->dropped_off++;
    } else {
      if (time - packet->due > direction->latest) direction->latest = time - packet->due;
      // Fails while the device is down, as a packet fails that reaches a host that is.
      if (write(direction->to, packet->bytes, packet->size) < 0) direction->failed_writes++;
    }
    free(packet);
    time = now();
  }
}

static bool change(const char *name, double value) {
  if (!strcmp(name, "rate")) settings.rate = value / 8 / 1e9; // bits per second
  else if (!strcmp(name, "delay")) settings.delay = (uint64_t)(value * 1e6); // milliseconds
  else if (!strcmp(name, "queue")) settings.queue = (uint64_t)(value * 1e6); // milliseconds
  else if (!strcmp(name, "loss")) settings.loss = value >= 100 ? UINT64_MAX : (uint64_t)(value / 100 * 0x1p64); // percent
  else if (!strcmp(name, "largest")) settings.largest = (uint32_t)value; // bytes
  else if (!strcmp(name, "seed")) seed(&directions[0], 2 * (uint64_t)value), seed(&directions[1], 2 * (uint64_t)value + 1);
  else if (!strcmp(name, "off")) settings.off = value != 0;
  else return !strcmp(name, "counters");
  return true;
}

static void print_counters(void) {
  for (int i = 0; i < 2; i++) {
    struct direction *d = &directions[i];
    printf("%s{\"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"overflowed\": %" PRIu64
           ", \"too_large\": %" PRIu64 ", \"dropped_off\": %" PRIu64 ", \"failed_writes\": %" PRIu64 ", \"latest_ms\": %.3f}",
           i ? ", " : "[", d->packets, d->bytes, d->lost, d->overflowed, d->too_large, d->dropped_off, d->failed_writes,
           (double)d->latest / 1e6);
    d->latest = 0; // of the time since the counters were last printed
  }
  printf("]\n");
  fflush(stdout);
}

// Returns false at the end of the input.
static bool read_settings(void) {
  static char text[4096];
  static size_t filled;
  ssize_t size = read(STDIN_FILENO, text + filled, sizeof text - 1 - filled);
  if (size < 0 && errno == EINTR) return true;
  if (size <= 0) return false;
  filled += (size_t)size;
  text[filled] = 0;
  for (char *end; (end = strchr(text, '\n')); filled -= (size_t)(end + 1 - text), memmove(text, end + 1, filled + 1)) {
    char name[16];
    double value = 0;
    *end = 0;
    if (sscanf(text, "%15s %lf", name, &value) < 1 || !change(name, value)) {
      fprintf(stderr, "line: '%s' is no setting\n", text);
      exit(2);
    }
    print_counters();
  }
  return filled < sizeof text - 1;
}

// Creates a network namespace with a device in it. Sets `space` to the descriptor of the namespace.
static int new_device(int *space) {
  if (unshare(CLONE_NEWNET)) fail("cannot create a network namespace (this needs root)");
  *space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (*space < 0 || device < 0) fail("cannot open /dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "line"};
  if (ioctl(device, TUNSETIFF, &request)) fail("cannot create a TUN device");
  unsigned offload = TUN_F_CSUM | TUN_F_TSO4;
  if (ioctl(device, TUNSETOFFLOAD, offload | OFFLOAD_OF_UDP) && ioctl(device, TUNSETOFFLOAD, offload)) fail("cannot enable segmentation offload");
  return device;
}

// Sends a signal to all processes in the namespaces. Returns how many there are.
static int signal_processes(const struct stat spaces[2], int number) {
  int found = 0;
  DIR *processes = opendir("/proc");
  for (struct dirent *entry; processes && (entry = readdir(processes));) {
    char path[300];
    struct stat space;
    pid_t process = atoi(entry->d_name);
    snprintf(path, sizeof path, "/proc/%s/ns/net", entry->d_name);
    if (process <= 0 || process == getpid() || stat(path, &space)) continue;
    for (int i = 0; i < 2; i++)
      if (space.st_ino == spaces[i].st_ino && space.st_dev == spaces[i].st_dev && !kill(process, number)) found++;
  }
  if (processes) closedir(processes);
  return found;
}

static void end_processes(const int descriptors[2]) {
  struct stat spaces[2];
  for (int i = 0; i < 2; i++)
    if (fstat(descriptors[i], &spaces[i])) fail("cannot examine a namespace");
  for (int tenths = 0; tenths < 100; tenths++) {
    // They get 5 seconds to end by themselves.
    if (!signal_processes(spaces, tenths == 0 ? SIGTERM : tenths < 50 ? 0 : SIGKILL)) return;
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  }
}

static void wait_for_work(void) {
  uint64_t due = UINT64_MAX, time = now();
  for (int i = 0; i < 2; i++)
    if (directions[i].first && directions[i].first->due < due) due = directions[i].first->due;
  uint64_t left = due > time ? due - time : 0;
  struct timespec limit = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
  struct pollfd polled[] = {
      {directions[0].from, POLLIN, 0}, {directions[1].from, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  // Signals arrive only here, so none is missed.
  sigset_t none;
  sigemptyset(&none);
  if (ppoll(polled, 3, due == UINT64_MAX ? NULL : &limit, &none) <= 0) return;
  if (polled[2].revents && !read_settings()) ended = 1;
  for (int i = 0; i < 2; i++)
    if (polled[i].revents) read_device(&directions[i]);
}

static void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigaction(signal, &action, NULL);
}

int main(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  handle(SIGTERM, on_end), handle(SIGINT, on_end), handle(SIGUSR1, on_toggle);
  // A line that waits for a processor is no line of that rate.
  if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1})) setpriority(PRIO_PROCESS, 0, -15);

  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), spaces[2], devices[2];
  for (int i = 0; i < 2; i++) devices[i] = new_device(&spaces[i]);
  if (setns(home, CLONE_NEWNET)) fail("cannot return to the first network namespace");
  for (int i = 0; i < 2; i++) {
    directions[i] = (struct direction){.from = devices[i], .to = devices[1 - i]};
    directions[i].end = &directions[i].first;
  }
  change("seed", 1);
  printf("[%d, %d]\n", spaces[0], spaces[1]);
  fflush(stdout);
  while (!ended) {
    wait_for_work();
    if (toggled) toggled = 0, settings.off = !settings.off;
    for (int i = 0; i < 2; i++) deliver(&directions[i]);
  }
  end_processes(spaces);
  return 0;
}
