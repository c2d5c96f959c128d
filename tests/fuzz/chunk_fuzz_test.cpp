// Damages datasets at random and reads them in child processes with little memory and time. A
// mutation may be refused with kData or be harmless; it may not crash, hang, fail otherwise, or
// change what is read unnoticed.
//
// REGATTA_MUTATIONS says how many (300); REGATTA_FIRST_MUTATION where to start, to repeat a
// reported one.
#include "checkpoint/scratch_folder.h"
#include "core/crc32c.h"
#include "core/error.h"
#include "core/rng.h"
#include "data/dataset.h"
#include "data/dataset_verify.h"
#include "data/sample_dataset.h"
#include "fuzz/mutation.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace regatta {
namespace {

using Json = nlohmann::ordered_json;
using test::ScratchFolder;

constexpr std::uint64_t kSeed = 20;
constexpr rlim_t kMemoryBytes = rlim_t{1} << 30;
constexpr unsigned kSeconds = 20;

enum Outcome { kRefused = 10, kHarmless = 11, kChanged = 12, kOtherError = 13 };

enum class Damage {
  kChunk,        ///< bytes of a chunk; only its manifest's sum gives it away
  kChunkAgreed,  ///< the same, with size and sum of the manifest made to agree
  kUnverified,   ///< bytes of a chunk, read without checksums
  kManifestBytes,
  kManifestValue,
  kCount
};

/// Arrays and counts of a chunk as one number.
class Digest {
 public:
  explicit Digest(const GraphChunk& chunk) {
    const std::array<std::int64_t, 9> counts = {chunk.chunk,
                                                chunk.edge_width,
                                                chunk.typed_edges ? 1 : 0,
                                                chunk.num_owned,
                                                chunk.hops,
                                                chunk.num_rows(),
                                                chunk.num_nodes(),
                                                chunk.features.width,
                                                static_cast<std::int64_t>(chunk.features.kind)};
    value_ = crc32c(counts.data(), sizeof(counts));
    add(chunk.graph.indptr);
    add(chunk.graph.src);
    add(chunk.graph.edge_id);
    add(chunk.edge_x);
    add(chunk.edge_type);
    add(chunk.global_id);
    add(chunk.ring_ptr);
    add(chunk.owner_chunk);
    add(chunk.owner_row);
    add(chunk.features.x);
    add(chunk.features.x_indptr);
    add(chunk.features.x_index);
    add(chunk.features.x_value);
    for (const NodeTarget& target : chunk.targets) {
      value_ = crc32c(target.name.data(), target.name.size(), value_);
      add(target.value);
      add(target.split);
    }
    add(chunk.original.integer);
    add(chunk.original.text_bytes);
    add(chunk.original.text_offset);
  }
  std::uint32_t value() const { return value_; }

 private:
  template <class T>
  void add(const SharedArray<T>& array) {
    const std::uint64_t size = array.size();
    value_ = crc32c(&size, sizeof(size), value_);
    value_ = crc32c(array.data(), array.size() * sizeof(T), value_);
  }
  std::uint32_t value_ = 0;
};

struct Base {
  std::map<std::string, std::string> files;
  std::vector<std::uint32_t> digests;
};

Base make_base(const test::SampleSpec& spec) {
  const ScratchFolder folder;
  const test::Sample sample = test::write_sample_dataset(folder.path(), spec);
  Base base;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    base.files[entry.path().filename()] = test::read_bytes(entry.path());
  for (const GraphChunk& chunk : sample.chunks) base.digests.push_back(Digest(chunk).value());
  return base;
}

void let_manifest_agree(std::map<std::string, std::string>& files) {
  Json manifest = Json::parse(files.at("manifest.json"));
  std::uint64_t total = 0;
  for (Json& chunk : manifest["chunks"]) {
    const std::string& bytes = files.at(chunk["file"]);
    chunk["bytes"] = bytes.size();
    chunk["crc32c"] = crc32c_text(crc32c(bytes.data(), bytes.size()));
    total += bytes.size();
  }
  manifest["totals"]["bytes"] = total;
  files["manifest.json"] = manifest.dump();
}

void damage(std::map<std::string, std::string>& files, Damage kind, RandomStream& random) {
  std::string& chunk = files.at(random.next_below(2) == 0 ? "chunk-000000.h5" : "chunk-000001.h5");
  std::string& manifest = files.at("manifest.json");
  switch (kind) {
    case Damage::kManifestBytes:
      return test::mutate_bytes(manifest, random);
    case Damage::kManifestValue: {
      Json document = Json::parse(manifest);
      test::mutate_json(document, random);
      manifest = document.dump();
      return;
    }
    default:
      test::mutate_bytes(chunk, random);
      if (kind != Damage::kChunk)
        let_manifest_agree(files);
  }
}

/// Reads everything in every way. The outcome of `map` and `pread` must be the same.
int read_all(const std::string& folder, const Base& base, bool verify) {
  std::array<int, 2> outcome = {kHarmless, kHarmless};
  for (const bool map : {false, true}) {
    try {
      const Dataset dataset(
          folder, {.read = map ? "map" : "pread", .verify = verify ? "first_use" : "never"});
      for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) {
        const std::uint32_t found = Digest(*dataset.read_chunk(c)).value();
        const bool same = c < static_cast<std::int64_t>(base.digests.size()) &&
                          found == base.digests[static_cast<std::size_t>(c)];
        if (!same)
          outcome[map ? 1 : 0] = kChanged;
      }
      verify_chunks(folder, dataset.manifest(), {});
    } catch (const Error& error) {
      if (error.code() != ExitCode::kData) {
        std::fprintf(stderr, "%s\n", error.what());
        return kOtherError;
      }
      outcome[map ? 1 : 0] = kRefused;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return kOtherError;
    }
  }
  return outcome[0] == outcome[1] ? outcome[0] : kOtherError;
}

/// In a child: its exit status, or -signal.
int read_in_child(const std::string& folder, const Base& base, bool verify) {
  const pid_t child = ::fork();
  if (child == 0) {
#if !defined(__SANITIZE_ADDRESS__)  // its shadow memory alone is larger
    const rlimit memory = {kMemoryBytes, kMemoryBytes};
    ::setrlimit(RLIMIT_AS, &memory);
#endif
    const rlimit no_core = {0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::alarm(kSeconds);
    ::_exit(read_all(folder, base, verify));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::uint64_t number_from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

TEST(ChunkFuzz, MutationsAreRefusedOrHarmless) {
  const std::array<Base, 4> bases = {
      make_base({.nodes = 50, .splittings = 2, .ids = "integer"}),
      make_base({.nodes = 50, .sparse = true, .ids = "text"}),
      make_base({.nodes = 50, .width = 1, .edge_width = 3, .edge_types = 4}),
      make_base({.nodes = 30, .halo = "one_hop", .width = 0, .classes = 0})};
  const std::uint64_t first = number_from_environment("REGATTA_FIRST_MUTATION", 0);
  const std::uint64_t count = number_from_environment("REGATTA_MUTATIONS", 300);
  std::map<int, std::uint64_t> outcomes;
  const ScratchFolder folder;
  for (std::uint64_t i = first; i < first + count; ++i) {
    RandomStream random(make_random_key(kSeed, RandomPurpose::kSplit, i, 0));
    const Base& base = bases[i % bases.size()];
    const auto kind =
        static_cast<Damage>(i / bases.size() % static_cast<std::uint64_t>(Damage::kCount));
    std::map<std::string, std::string> files = base.files;
    damage(files, kind, random);
    for (const auto& [name, bytes] : files) test::write_bytes(folder / name, bytes);
    const bool verify = kind != Damage::kUnverified;
    const int outcome = read_in_child(folder.path(), base, verify);
    ++outcomes[outcome];
    const bool allowed =
        outcome == kRefused || outcome == kHarmless || (outcome == kChanged && !verify);
    EXPECT_TRUE(allowed) << "mutation " << i << ", kind " << static_cast<int>(kind) << ": "
                         << (outcome < 0 ? "killed by signal " + std::to_string(-outcome)
                                         : "outcome " + std::to_string(outcome));
  }
  std::printf("%llu mutations: %llu refused, %llu harmless, %llu changed without checksums\n",
              static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(outcomes[kRefused]),
              static_cast<unsigned long long>(outcomes[kHarmless]),
              static_cast<unsigned long long>(outcomes[kChanged]));
  EXPECT_GT(outcomes[kRefused], count / 2);  // else the mutations would show nothing
}

TEST(ChunkFuzz, UnchangedDatasetsAreHarmless) {
  const Base base = make_base({.nodes = 50});
  const ScratchFolder folder;
  for (const auto& [name, bytes] : base.files) test::write_bytes(folder / name, bytes);
  EXPECT_EQ(read_in_child(folder.path(), base, true), kHarmless);
}

}  // namespace
}  // namespace regatta
