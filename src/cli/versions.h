// Versions of Regatta and of the libraries it runs with.
#pragma once

#include <string>

namespace regatta {

/// "regatta 0.1.0" and one line for each library.
std::string versions_text();

}  // namespace regatta
