#ifndef KACHERY_CPORTMAPPING_H
#define KACHERY_CPORTMAPPING_H

#include <stdint.h>

// How a router is asked.
enum {
  CPortMapping_NATPMP = 1, // RFC 6886
  CPortMapping_UPNP = 2,   // UPnP Internet Gateway Device, versions 1 and 2
};

// What became of a question.
enum {
  CPortMapping_SILENT = 0, // nothing answers in this protocol, or not in time
  CPortMapping_GRANTED = 1,
  CPortMapping_REFUSED = 2,
  CPortMapping_TAKEN = 3, // another machine has the port
  CPortMapping_FAILED = 4, // this machine could not ask: `code` is errno
};

// Addresses are in network order, everything else in host order.
typedef struct {
  int32_t protocol;
  int32_t is_udp; // whose ports: those of UDP, or those of TCP
  uint32_t gateway;
  char interface[16]; // by which the gateway is reached
  uint16_t inner_port, outer_port;
  uint32_t seconds;   // how long the mapping lasts; 0 removes it
  char location[256]; // of the description of a UPnP router that has answered before, or nothing
} CPortMapping_Question;

typedef struct {
  int32_t outcome;
  int32_t code;     // the router's error code; 0 if there is none
  uint32_t outside; // the router's outside address; 0 if it is unknown
  uint16_t outer_port;
  uint32_t seconds;
  char location[256]; // of a UPnP router's description; always ends in a zero
} CPortMapping_Answer;

// A descriptor by which questions are ended early, or the negated errno.
int CPortMapping_cancellation(void);

// Ends the questions that were given this descriptor, and those that will be.
void CPortMapping_cancel(int cancellation);

// Closes the descriptor, after its last question.
void CPortMapping_close(int cancellation);

// Asks the router, and blocks for at most `milliseconds`, or until `cancellation` is used.
//
// Both libraries read what a router sends without a limit of size or time, so they run in a child process, which ends at
// the deadline, may take little memory, and has none of this process's descriptors.
CPortMapping_Answer CPortMapping_ask(CPortMapping_Question question, int milliseconds, int cancellation);

#endif
