// Numbers the types of the cleaned edges.
#include "preprocess/featurise/edge_types.h"

#include "core/error.h"
#include "data/chunk_format.h"
#include "preprocess/featurise/edge_attributes.h"

#include <algorithm>
#include <unordered_map>

namespace regatta {
namespace {

class TypeNumbers {
 public:
  TypeNumbers(const EdgeTable& table,
              const CleanedEdges& cleaned,
              const CleanOptions& options,
              const Manifest* fitted)
      : table_(table),
        own_reverses_(options.reverse_types == "own"),
        adds_loops_(options.self_loops == "add") {
    collect_used(cleaned);
    check_clashes();
    names_ = fitted == nullptr ? all_names() : fitted->edge_types.names;
    check_count();
    for (std::size_t i = 0; i < names_.size(); ++i)
      number_.emplace(names_[i], static_cast<std::uint16_t>(i));
    number_codes();
  }

  std::uint16_t type_of(EdgeOrigin origin) const {
    if (origin.is_added())
      return self_loop_;
    const auto code = static_cast<std::size_t>(table_.types.code[origin.row()]);
    return own_reverses_ && origin.is_reversed() ? of_reverse_[code] : of_code_[code];
  }
  std::vector<std::string> take_names() { return std::move(names_); }

 private:
  /// The first row of each type that an edge has; -1 for types of dropped rows alone.
  void collect_used(const CleanedEdges& cleaned) {
    first_row_.assign(table_.types.names.size(), -1);
    for (const EdgeOrigin origin : cleaned.origin) {
      if (origin.is_added())
        continue;
      std::int64_t& first = first_row_[table_.types.code[origin.row()]];
      first = first < 0 ? origin.row() : std::min(first, origin.row());
    }
    for (std::size_t code = 0; code < first_row_.size(); ++code) {
      if (first_row_[code] >= 0)
        used_.push_back(table_.types.names[code]);
    }
    sort_names(used_);
  }

  [[noreturn]] void refuse(std::size_t code, const std::string& why) const {
    fail(ExitCode::kData,
         "{}:{}: edge type '{}' {}",
         table_.path,
         table_.line[first_row_[code]],
         table_.types.names[code],
         why);
  }

  void check_clashes() const {
    for (std::size_t code = 0; code < first_row_.size(); ++code) {
      const std::string& name = table_.types.names[code];
      if (first_row_[code] < 0)
        continue;
      if (adds_loops_ && name == kSelfLoopType)
        refuse(code,
               "has the name that added self loops get; rename it, or set clean.self_loops: keep "
               "or drop");
      if (own_reverses_ && name.starts_with(kReversePrefix) &&
          std::find(used_.begin(), used_.end(), name.substr(kReversePrefix.size())) != used_.end())
        refuse(code,
               "has the name that reversed edges get; rename it, or set clean.reverse_types: same");
    }
  }

  std::vector<std::string> all_names() const {
    std::vector<std::string> names = used_;
    if (own_reverses_) {
      for (const std::string& name : used_) names.push_back(std::string(kReversePrefix) + name);
    }
    if (adds_loops_)
      names.emplace_back(kSelfLoopType);
    return names;
  }

  void check_count() const {
    if (static_cast<std::int64_t>(names_.size()) <= chunk_format::kMaxEdgeTypes)
      return;
    fail(ExitCode::kData,
         "{}: there are {} edge types, those of reversed edges and self loops included, but at "
         "most {} are possible; does edges.type name the right column?",
         table_.path,
         names_.size(),
         chunk_format::kMaxEdgeTypes);
  }

  std::uint16_t number_of(const std::string& name, std::size_t code) const {
    const auto found = number_.find(name);
    if (found == number_.end())
      refuse(code,
             fmt::format("needs the type '{}', which features.fit_from has not: it has {}",
                         name,
                         fmt::join(names_, ", ")));
    return found->second;
  }

  void number_codes() {
    of_code_.resize(first_row_.size());
    of_reverse_.resize(first_row_.size());
    for (std::size_t code = 0; code < first_row_.size(); ++code) {
      if (first_row_[code] < 0)
        continue;
      const std::string& name = table_.types.names[code];
      of_code_[code] = number_of(name, code);
      if (own_reverses_)
        of_reverse_[code] = number_of(std::string(kReversePrefix) + name, code);
    }
    if (!adds_loops_)
      return;
    const auto found = number_.find(kSelfLoopType);
    if (found == number_.end())
      fail(ExitCode::kUsage,
           "features.fit_from has no edge type '{}'; set clean.self_loops as it was there",
           kSelfLoopType);
    self_loop_ = found->second;
  }

  const EdgeTable& table_;
  bool own_reverses_, adds_loops_;
  std::vector<std::int64_t> first_row_;  ///< by code
  std::vector<std::string> used_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint16_t> number_;
  std::vector<std::uint16_t> of_code_, of_reverse_;
  std::uint16_t self_loop_ = 0;
};

}  // namespace

void set_edge_types(const EdgeTable& table,
                    const CleanedEdges& cleaned,
                    const CleanOptions& options,
                    const Manifest* fitted,
                    EdgeAttributes& edges) {
  TypeNumbers numbers(table, cleaned, options, fitted);
  edges.type.reserve(cleaned.origin.size());
  for (const EdgeOrigin origin : cleaned.origin) edges.type.push_back(numbers.type_of(origin));
  edges.types.names = numbers.take_names();
  edges.types.counts.assign(edges.types.names.size(), 0);
  for (const std::uint16_t type : edges.type) ++edges.types.counts[type];
}

}  // namespace regatta
