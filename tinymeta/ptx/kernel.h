/* All that a translated kernel needs. */
#include "access.h"
#include "approximate.h"
#include "floats.h"
#include "integers.h"
#include "machine.h"
