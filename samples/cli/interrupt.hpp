// Ctrl-C: the first asks the library to stop, which keeps what is done; the second ends the program at once.
#pragma once

#include "tailora.hpp"

namespace interrupt {

/// Watches for it from now on. To be called before the library starts threads: they must leave the signals to the watcher.
void watch();

/// What calls of the library are given, so that they stop.
const tailora::Cancel *cancel();

/// The signal that came, 0 while none has.
int signal();

} // namespace interrupt
