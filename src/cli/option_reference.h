// The options of a configuration as text: for --help and for docs/config.md.
#pragma once

#include "cli/job_config.h"
#include "core/options.h"

#include <string>
#include <vector>

namespace regatta {

/// docs/config.md: a markdown table for each section of JobConfig.
std::string option_reference();

/// For the end of a command's --help: the keys that this use of a configuration reads, with type,
/// default and help, and where to find all of them.
std::string option_help(JobUse use);

}  // namespace regatta
