#ifndef KACHERY_CSQLite_H
#define KACHERY_CSQLite_H

#include <sqlite3.h>

#endif
