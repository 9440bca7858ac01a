#ifndef KACHERY_COpenSSL_H
#define KACHERY_COpenSSL_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/err.h>

#endif
