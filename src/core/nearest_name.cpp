// "Did you mean": the nearest known name by edit distance.
#include "core/options.h"

#include <algorithm>
#include <string>
#include <vector>

namespace regatta {
namespace {

/// Case and the choice of '-' or '_' are the commonest slips and cost nothing.
std::string folded(const std::string& word) {
  std::string result = word;
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c + 32);
    if (c == '-' || c == ' ')
      c = '_';
  }
  return result;
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped)
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongestWord = 100;  // a key of megabytes has no near name
  if (word.empty() || word.size() > kLongestWord)
    return "";
  const std::string wanted = folded(word);
  std::string best;
  std::size_t best_distance = 1 + word.size() / 3;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, folded(candidate));
    const bool all_different = distance >= std::max(wanted.size(), candidate.size());
    if (distance < best_distance + (best.empty() ? 1 : 0) && !all_different) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace regatta
