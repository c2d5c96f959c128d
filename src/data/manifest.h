// manifest.json: what a dataset holds. Enough for a Plan of whole chunks without opening one.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace regatta {

inline constexpr int kFormatMajor = 1;
inline constexpr int kFormatMinor = 1;  ///< the newest this program knows
/// First minor version with features and types of edges. Datasets without them are written as 1.0,
/// which older programs read.
inline constexpr int kEdgeAttributesMinor = 1;

struct ManifestChunk {
  std::string file;  ///< plain name inside the folder
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;  ///< of the whole file
  std::int64_t owned = 0, rows = 0, nodes = 0, edges = 0, graphs = 0;
  /// class_counts[target][split name][class]; only splits train, val, test.
  std::map<std::string, std::map<std::string, std::vector<std::int64_t>>> class_counts;
};

struct ManifestTarget {
  std::string level = "node";
  std::string kind = "class";
  std::vector<std::string> classes;                         ///< names, index = class number
  std::map<std::string, std::vector<std::int64_t>> counts;  ///< split name -> per class
};

/// How features were normalised and filled, with constants fitted on training nodes, reusable by
/// `fit_from`.
struct FeatureFit {
  std::string normalise = "none";  ///< none | row_l1 | row_l2 | standardise | min_max
  std::string fill = "error";      ///< error | zero | mean | median | constant
  double fill_constant = 0;
  std::vector<double> fill_values;  ///< per column (mean, median); empty otherwise
  std::vector<double> offset,
      scale;  ///< per column: x' = (x - offset) * scale; empty for none and row norms
};

/// Features of edges; width 0 = the dataset has none.
struct ManifestEdgeFeatures {
  std::int64_t width = 0;
  std::vector<std::string> names;  ///< empty when the source has none
  FeatureFit fit;                  ///< fitted on the listed edges
};

/// Relations; none = edges have no type.
struct ManifestEdgeTypes {
  std::vector<std::string> names;    ///< index = type number
  std::vector<std::int64_t> counts;  ///< edges of each type; their sum is Manifest::edges
};

struct Manifest {
  int version_major = kFormatMajor, version_minor = 0;
  std::string layout = "homogeneous";
  std::int64_t nodes = 0,
               edges = 0;  ///< of the whole cleaned graph; edges counts directed in-edges
  bool directed = false;
  std::string self_loops;    ///< add | drop | keep
  std::string feature_kind;  ///< dense | sparse
  std::int64_t feature_width = 0;
  std::string feature_dtype = "float32";
  std::vector<std::string> feature_names;  ///< empty when the source has none
  FeatureFit fit;
  ManifestEdgeFeatures edge_features;
  ManifestEdgeTypes edge_types;
  std::map<std::string, ManifestTarget> targets;
  std::string halo_mode;  ///< exact | one_hop | none
  std::int64_t halo_hops = 0;
  std::string partition_method;
  std::uint64_t partition_seed = 0;
  std::int64_t edge_cut = 0;          ///< directed edges whose ends are owned by different chunks
  double replication = 1;             ///< sum of chunk nodes / nodes
  std::string original_ids;           ///< none | integer | text
  nlohmann::ordered_json source;      ///< files, sizes, digests
  nlohmann::ordered_json preprocess;  ///< whole effective configuration
  std::vector<ManifestChunk> chunks;

  std::int64_t owned_total() const;
  bool has_edge_attributes() const { return edge_features.width > 0 || !edge_types.names.empty(); }
};

/// Relations of the dataset; 0 = edges have no type.
inline std::int64_t edge_type_count(const Manifest& manifest) {
  return static_cast<std::int64_t>(manifest.edge_types.names.size());
}

/// Parses and checks everything (types, version, sums, file names that are absolute, contain "..",
/// or '/'). Throws Error(kData) naming `where`, the JSON path, found, expected, remedy. A newer
/// major version: "made by a newer Regatta".
Manifest manifest_from_json(const nlohmann::ordered_json& json, const std::string& where);
nlohmann::ordered_json manifest_to_json(const Manifest& manifest);

/// FOLDER/manifest.json; Error(kData) when missing ("not a dataset: run `regatta preprocess`").
Manifest read_manifest(const std::string& folder);
void write_manifest(const std::string& folder, const Manifest& manifest);  ///< atomically

/// CRC32C, as 8 hex digits, over the manifest's content-bearing part; equal datasets have equal
/// digests.
std::string dataset_digest(const Manifest& manifest);

}  // namespace regatta
