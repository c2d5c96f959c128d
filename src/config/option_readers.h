// Which options are read only under a choice of another option: one table for the whole job. A
// table, and not checks where options are read, since an option that nothing reads meets no check.
#pragma once

#include <span>
#include <string_view>

namespace regatta {

/// A state of the option `key`, a path as OptionDescription has it. A "[]" in it stands for the
/// list item that the dependent option is in.
struct OptionState {
  std::string_view key;     ///< empty: no state at all
  std::string_view values;  ///< "gat|gatv2", kGiven or kNotGiven
};
inline constexpr std::string_view kGiven = "<given>";         ///< any text or list but an empty one
inline constexpr std::string_view kNotGiven = "<not given>";  ///< the empty one

/// The options `names` ("scale|score_on") of `section` are read where `when` or `or_when` holds.
/// An option in several rows is read where all of them agree.
struct OptionReader {
  std::string_view section;
  std::string_view names;
  OptionState when;
  OptionState or_when = {};
};

std::span<const OptionReader> option_readers();

}  // namespace regatta
