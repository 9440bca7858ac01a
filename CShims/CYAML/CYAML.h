#ifndef KACHERY_CYAML_H
#define KACHERY_CYAML_H

#include <yaml.h>

#endif
