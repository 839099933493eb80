#include "data/image_source.h"

#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <mutex>
#include <set>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/decode.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxFile = uint64_t{1} << 28;  // an encoded image

/// True where a part of the path begins with a dot (hidden files, AppleDouble's ._NAME) or is __MACOSX, which archives
/// made by macOS add: such files are no data, whatever their ending.
bool is_hidden(const std::string& name) {
  for (const auto& part : fs::path(name))
    if (part == "__MACOSX" || (part.native().starts_with('.') && part != "." && part != "..")) return true;
  return false;
}

/// When the file's content or properties were last changed, which nobody can set back as they can its time of writing.
std::string changed(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "";
  return str(info.st_ctim.tv_sec, ".", info.st_ctim.tv_nsec);
}

/// Endings of pictures that are not read here.
bool is_other_picture(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr auto kOthers = std::to_array<std::string_view>(
      {".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".raw", ".exr", ".ico"});
  return std::find(kOthers.begin(), kOthers.end(), ending) != kOthers.end();
}

struct Entry {
  std::string name, identity;
  uint64_t index = 0;  ///< in the archive
};

/// Why a source that does hold files holds no images.
std::string passed_over(int64_t hidden, int64_t unknown) {
  if (hidden + unknown == 0) return "";
  return str("; passed over: ", hidden, " hidden, ", unknown, " of other kinds");
}

class Folder final : public ImageSource {
 public:
  explicit Folder(const std::string& folder) {
    path_ = folder;
    std::error_code error;
    const auto options =
        fs::directory_options::follow_directory_symlink | fs::directory_options::skip_permission_denied;
    std::set<std::string> folders = {fs::canonical(folder, error).string()};
    for (fs::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code unreadable;
      // A link may lead back up, or to a folder that is here already: its images count once.
      if (entry->is_directory(unreadable) && !folders.insert(fs::canonical(entry->path(), unreadable).string()).second)
        entry.disable_recursion_pending();
      const std::string name = entry->path().lexically_relative(folder).string();
      if (!entry->is_regular_file(unreadable)) {
        if (io::is_image_name(name)) ++unknown_;  // a link that leads nowhere, a pipe, a folder of such a name
        continue;
      }
      if (!is_hidden(name) && is_other_picture(name)) ++unknown_;
      if (!io::is_image_name(name)) continue;
      if (is_hidden(name)) {
        ++left_out_;
      } else {
        names_.push_back(name);
      }
    }
    if (error) throw DataError(str("cannot read folder ", folder, ": ", error.message()));
    if (names_.empty())
      throw DataError(str(folder, ": holds no images (.jpg, .png, .bmp, .gif, .tga, .ppm, .pgm)",
                          passed_over(left_out_, unknown_)));
    std::sort(names_.begin(), names_.end());
    for (const auto& name : names_) {
      const fs::path path = fs::path(folder) / name;
      identity_ += str(name, " ", fs::file_size(path, error), " ",
                       fs::last_write_time(path, error).time_since_epoch().count(), " ", changed(path), "\n");
    }
  }

  std::string read(size_t index) override { return io::read_file((fs::path(path_) / names_[index]).string()); }
};

class Archive final : public ImageSource {
 public:
  explicit Archive(const std::string& path) {
    path_ = path;
    const Handle archive = open();
    std::vector<Entry> entries;
    const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      zip_stat_t info{};
      if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &info) != 0)
        throw DataError(str(path, ": damaged zip archive: ", zip_strerror(archive.get())));
      if (!is_hidden(info.name) && is_other_picture(info.name)) ++unknown_;
      if (!io::is_image_name(info.name)) continue;
      if (is_hidden(info.name))
        ++left_out_;
      else
        entries.push_back({info.name, str(info.name, " ", info.size, " ", info.crc, "\n"), static_cast<uint64_t>(i)});
    }
    if (entries.empty()) throw DataError(str(path, ": the archive holds no images", passed_over(left_out_, unknown_)));
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
    for (auto& entry : entries) {
      names_.push_back(std::move(entry.name)), identity_ += entry.identity;
      indices_.push_back(entry.index);
    }
  }

  /// libzip's handles are not for two threads at once, so that each caller takes one of its own.
  std::string read(size_t index) override {
    Handle archive = take();
    const std::string what = path_ + "/" + names_[index];
    zip_stat_t info{};
    if (zip_stat_index(archive.get(), indices_[index], 0, &info) != 0 || info.size > kMaxFile)
      throw DataError(str(what, ": damaged or too large: ", zip_strerror(archive.get())));
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(archive.get(), indices_[index], 0),
                                                                 zip_fclose);
    if (!file) throw DataError(str(what, ": ", zip_strerror(archive.get())));
    std::string bytes(info.size, '\0');
    for (size_t done = 0; done < bytes.size();) {
      const zip_int64_t count = zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
      if (count <= 0) throw DataError(str(what, ": damaged entry of a zip archive: ", zip_file_strerror(file.get())));
      done += static_cast<size_t>(count);
    }
    char extra = 0;  // libzip compares the checksum when it reads the end
    if (zip_fread(file.get(), &extra, 1) != 0)
      throw DataError(str(what, ": damaged entry of a zip archive: ", zip_file_strerror(file.get())));
    give_back(std::move(archive));
    return bytes;
  }

 private:
  using Handle = std::unique_ptr<zip_t, void (*)(zip_t*)>;

  Handle open() const {
    int code = 0;
    zip_t* const archive = zip_open(path_.c_str(), ZIP_RDONLY, &code);
    if (archive == nullptr) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string reason = zip_error_strerror(&error);
      zip_error_fini(&error);
      throw DataError(str(path_, ": cannot be read as a zip archive: ", reason));
    }
    return {archive, zip_discard};
  }
  Handle take() {
    {
      const std::scoped_lock lock(mutex_);
      if (!idle_.empty()) {
        Handle archive = std::move(idle_.back());
        idle_.pop_back();
        return archive;
      }
    }
    return open();
  }
  void give_back(Handle archive) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(archive));
  }

  std::vector<uint64_t> indices_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace

std::unique_ptr<ImageSource> open_image_folder(const std::string& folder) { return std::make_unique<Folder>(folder); }
std::unique_ptr<ImageSource> open_image_archive(const std::string& path) { return std::make_unique<Archive>(path); }

}  // namespace kaem
