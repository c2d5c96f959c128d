// Checkpoint folders: written beside their final name, synced, then renamed into place.
#include "checkpoint/checkpoint.h"

#include "core/crc32c.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

#include <ATen/ATen.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <vector>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kModel = "model.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kBest = "best.safetensors";
constexpr const char* kFormat = "regatta-checkpoint";
constexpr std::uint64_t kNewestVersion = 2;  ///< 2: with best.safetensors
constexpr std::uint64_t kMaxManifestBytes = 1 << 20;

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

void remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    fail(ExitCode::kStorage, "cannot remove {}: {}", path, error.message());
  }
}

void rename_folder(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    fail(ExitCode::kStorage, "cannot rename {} to {}: {}", from, to, error.message());
  }
}

/// JSON has no NaN or infinity (they would come back as null), so they must not get in.
void check_finite(const ordered_json& value) {
  REGATTA_CHECK(!value.is_number_float() || std::isfinite(value.get<double>()),
                "checkpoint state holds a number that is not finite");
  if (value.is_structured()) {
    for (const auto& item : value) {
      check_finite(item);
    }
  }
}

std::vector<const char*> files_of_version(std::uint64_t version) {
  std::vector<const char*> files{kModel, kOptimizer, kState};
  if (version == 2)
    files.push_back(kBest);
  return files;
}

void write_manifest(const std::string& folder, std::uint64_t version) {
  ordered_json files = ordered_json::object();
  for (const char* name : files_of_version(version)) {
    std::uint64_t size = 0;
    const std::uint32_t crc = crc32c_of_file(folder + "/" + name, &size);
    files[name] = {{"bytes", size}, {"crc32c", crc32c_text(crc)}};
  }
  const ordered_json manifest = {{"format", kFormat}, {"version", version}, {"files", files}};
  replace_file(folder + "/" + kManifest, manifest.dump(2) + "\n");
}

/// Puts the finished `temporary` in place of `folder`. At every moment one of folder and folder.old
/// is complete.
void publish_folder(const std::string& temporary, const std::string& folder) {
  const std::string old = folder + ".old";
  const fs::path parent = fs::path(folder).parent_path();
  const std::string parent_name = parent.empty() ? "." : parent.string();
  if (fs::exists(folder)) {
    remove_folder(old);
    rename_folder(folder, old);
  }
  rename_folder(temporary, folder);
  sync_folder(parent_name);
  remove_folder(old);
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  fail(ExitCode::kData, "{}: {}; use another checkpoint of the run or train again", path, what);
}

ordered_json parse_json_file(const std::string& path, std::uint64_t limit) {
  const std::string text = read_file(path, limit);
  try {
    return ordered_json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    refuse(path, fmt::format("not valid JSON ({})", error.what()));
  }
}

const ordered_json& manifest_entry(const ordered_json& manifest,
                                   const char* name,
                                   const std::string& path) {
  const ordered_json& files = manifest["files"];
  if (!files.contains(name) || !files[name].is_object() || !files[name].contains("bytes") ||
      !files[name].contains("crc32c") || !files[name]["bytes"].is_number_unsigned() ||
      !files[name]["crc32c"].is_string()) {
    refuse(path, fmt::format("no bytes and crc32c for {}", name));
  }
  return files[name];
}

ordered_json read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  if (!fs::exists(path)) {
    refuse(folder, fmt::format("no {}, so this is not a complete checkpoint", kManifest));
  }
  ordered_json manifest = parse_json_file(path, kMaxManifestBytes);
  if (!manifest.is_object() || manifest.size() != 3 ||
      manifest.value("format", ordered_json()) != kFormat || !manifest.contains("version") ||
      !manifest["version"].is_number_unsigned() || !manifest.contains("files") ||
      !manifest["files"].is_object()) {
    refuse(path, fmt::format("not a manifest of format '{}'", kFormat));
  }
  const auto version = manifest["version"].get<std::uint64_t>();
  if (version == 0 || version > kNewestVersion) {
    fail(ExitCode::kData,
         "{}: checkpoint version {}, this program reads versions 1 to {}; use a newer Regatta",
         path,
         version,
         kNewestVersion);
  }
  if (manifest["files"].size() != files_of_version(version).size())
    refuse(path, fmt::format("not the files of version {}", version));
  return manifest;
}

/// Returns the version.
std::uint64_t verify_files(const std::string& folder) {
  const ordered_json manifest = read_manifest(folder);
  const auto version = manifest["version"].get<std::uint64_t>();
  for (const char* name : files_of_version(version)) {
    const ordered_json& entry = manifest_entry(manifest, name, folder + "/" + kManifest);
    const std::string path = folder + "/" + name;
    if (!fs::is_regular_file(path)) {
      refuse(path, "missing");
    }
    std::uint64_t size = 0;
    const std::string crc = crc32c_text(crc32c_of_file(path, &size));
    if (size != entry["bytes"].get<std::uint64_t>()) {
      refuse(path, fmt::format("{} bytes, expected {}", size, entry["bytes"].dump()));
    }
    if (crc != entry["crc32c"].get<std::string>()) {
      refuse(path, fmt::format("CRC32C {}, expected {}", crc, entry["crc32c"].get<std::string>()));
    }
  }
  return version;
}

}  // namespace

void write_checkpoint(const std::string& folder_name, const Checkpoint& checkpoint) {
  const std::string folder = without_trailing_slash(folder_name);
  check_finite(checkpoint.state);
  const std::string temporary = folder + ".tmp";
  const std::uint64_t version = checkpoint.best.empty() ? 1 : 2;
  remove_folder(temporary);
  make_folders(temporary);
  try {
    write_safetensors(temporary + "/" + kModel, checkpoint.model, {{"format", "pt"}});
    write_safetensors(temporary + "/" + kOptimizer, checkpoint.optimizer, {{"format", "pt"}});
    if (!checkpoint.best.empty())
      write_safetensors(temporary + "/" + kBest, checkpoint.best, {{"format", "pt"}});
    replace_file(temporary + "/" + kState, checkpoint.state.dump(2) + "\n");
    write_manifest(temporary, version);
    sync_folder(temporary);
  } catch (...) {
    std::error_code ignored;  // the first error is the one to report
    fs::remove_all(temporary, ignored);
    throw;
  }
  publish_folder(temporary, folder);
}

Checkpoint read_checkpoint(const std::string& folder_name) {
  std::string folder = without_trailing_slash(folder_name);
  if (!fs::exists(folder)) {
    if (!fs::exists(folder + ".old")) {
      fail(ExitCode::kData,
           "{}: no such checkpoint; give the folder that holds {}",
           folder,
           kManifest);
    }
    log::warn("{} is missing, its replacement was interrupted; using {}.old", folder, folder);
    folder += ".old";
  }
  const std::uint64_t version = verify_files(folder);
  Checkpoint checkpoint;
  checkpoint.model = read_safetensors(folder + "/" + kModel);
  checkpoint.optimizer = read_safetensors(folder + "/" + kOptimizer);
  if (version == 2)
    checkpoint.best = read_safetensors(folder + "/" + kBest);
  checkpoint.state = parse_json_file(folder + "/" + kState, std::uint64_t{1} << 30);
  return checkpoint;
}

std::string tensors_digest(const NamedTensors& tensors) {
  std::uint32_t crc = 0;
  const auto add_number = [&crc](std::int64_t value) { crc = crc32c(&value, sizeof(value), crc); };
  const auto add_text = [&](const std::string& text) {
    add_number(static_cast<std::int64_t>(text.size()));
    crc = crc32c(text.data(), text.size(), crc);
  };
  for (const auto& [name, tensor] : tensors) {
    add_text(name);
    add_text(at::toString(tensor.scalar_type()));
    add_number(tensor.dim());
    for (const std::int64_t length : tensor.sizes()) {
      add_number(length);
    }
    const at::Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
    crc = crc32c(bytes.data_ptr(), static_cast<std::size_t>(bytes.nbytes()), crc);
  }
  return crc32c_text(crc);
}

}  // namespace regatta
