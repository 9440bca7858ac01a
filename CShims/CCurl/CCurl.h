#ifndef KACHERY_CCURL_H
#define KACHERY_CCURL_H

#include <curl/curl.h>
#include <stdint.h>

// curl_easy_setopt is variadic, which Swift cannot call.
static inline CURLcode CCurl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

// As above.
static inline CURLcode CCurl_set_size(CURL *handle, CURLoption option, int64_t value) {
  return curl_easy_setopt(handle, option, (curl_off_t)value);
}

// As above.
static inline CURLcode CCurl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

// As above.
static inline CURLcode CCurl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}

// As above.
static inline CURLcode CCurl_set_callback(CURL *handle, CURLoption option,
                                          size_t (*value)(char *, size_t, size_t, void *)) {
  return curl_easy_setopt(handle, option, value);
}

// As above: `opener` opens the socket of each connection, or refuses its address.
static inline CURLcode CCurl_set_opener(CURL *handle, curl_opensocket_callback opener) {
  return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, opener);
}

// curl_easy_getinfo is variadic as well.
static inline long CCurl_status(CURL *handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// As above: the status of the proxy's answer, or 0.
static inline long CCurl_connect_code(CURL *handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &status);
  return status;
}

// As above: the open connection, which stays libcurl's; -1 if there is none.
static inline int CCurl_active_socket(CURL *handle) {
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &socket);
  return (int)socket;
}

// As above: the microseconds from the resolved name to the open connection.
static inline int64_t CCurl_connect_time(CURL *handle) {
  curl_off_t resolved = 0, connected = 0;
  curl_easy_getinfo(handle, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
  curl_easy_getinfo(handle, CURLINFO_CONNECT_TIME_T, &connected);
  return connected > resolved ? connected - resolved : 0;
}

// The names are macros with casts, which Swift cannot see.
static inline long CCurl_basic_or_digest(void) { return (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST); }

#endif
