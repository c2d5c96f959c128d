#include "core/file.h"

#include "core/error.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace regatta {
namespace {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0)
      ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  /// close() can report a failed write (NFS), so it is checked where that matters.
  int close() { return ::close(std::exchange(number_, -1)); }

 private:
  int number_;
};

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> count{0};
  const std::filesystem::path whole(path);
  const std::string name =
      fmt::format(".{}.tmp-{}-{}", whole.filename().string(), getpid(), count++);
  return (std::filesystem::path(folder_of(path)) / name).string();
}

void write_all(int file, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      fail(ExitCode::kStorage, "{}: cannot be written: {}", path, std::strerror(errno));
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_new_file(const std::string& temporary,
                    std::string_view content,
                    const std::string& path) {
  Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    fail(ExitCode::kStorage, "{}: cannot be created: {}", path, std::strerror(errno));
  }
  write_all(file.get(), content, path);
  if (file.close() != 0) {
    fail(ExitCode::kStorage, "{}: cannot be written: {}", path, std::strerror(errno));
  }
}

}  // namespace

std::string read_file(const std::string& path, std::uint64_t limit) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)
    fail(ExitCode::kData, "{}: cannot be opened: {}", path, std::strerror(errno));
  std::string content;
  std::string buffer(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      fail(ExitCode::kData, "{}: cannot be read: {}", path, std::strerror(errno));
    if (got == 0)
      return content;
    content.append(buffer.data(), static_cast<std::size_t>(got));
    if (content.size() > limit) {
      fail(ExitCode::kData, "{}: is larger than the {} bytes allowed here", path, limit);
    }
  }
}

void publish_file(const std::string& temporary, const std::string& path) {
  {
    const Descriptor file(open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0 || fsync(file.get()) != 0) {
      fail(ExitCode::kStorage, "{}: cannot be synced to disk: {}", temporary, std::strerror(errno));
    }
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    fail(ExitCode::kStorage,
         "{}: cannot be put in place of {}: {}",
         temporary,
         path,
         std::strerror(errno));
  }
  sync_folder(folder_of(path));
}

void replace_file(const std::string& path, std::string_view content) {
  const std::string temporary = temporary_name(path);
  try {
    write_new_file(temporary, content, path);
    publish_file(temporary, path);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

void sync_folder(const std::string& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some network file systems cannot sync a folder and say EINVAL; there is nothing more to do
  // then.
  if (folder.get() < 0 || (fsync(folder.get()) != 0 && errno != EINVAL)) {
    fail(ExitCode::kStorage, "{}: folder cannot be synced to disk: {}", path, std::strerror(errno));
  }
}

void make_folders(const std::string& path) {
  std::error_code status;
  std::filesystem::create_directories(path, status);
  if (!status && !std::filesystem::is_directory(path, status)) {
    status = std::make_error_code(std::errc::not_a_directory);
  }
  if (status)
    fail(ExitCode::kStorage, "{}: folder cannot be created: {}", path, status.message());
}

}  // namespace regatta
