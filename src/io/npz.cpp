#include <zip.h>

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/npy.h"

namespace kaem::io {
namespace {

constexpr zip_uint64_t kMostBytes = zip_uint64_t{4} << 30;
constexpr std::string_view kExtension = ".npy";

using Archive = std::unique_ptr<zip_t, void (*)(zip_t*)>;

/// The archive of a source, which it owns.
Archive open_archive(zip_source_t* source, int flags, const std::string& path) {
  zip_error_t error;
  zip_error_init(&error);
  zip_t* const archive = source == nullptr ? nullptr : zip_open_from_source(source, flags, &error);
  const std::string why = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (archive == nullptr && source != nullptr) zip_source_free(source);
  if (archive == nullptr) throw DataError(str(path, ": no .npz archive: ", why));
  return {archive, zip_discard};
}

}  // namespace

void write_npz(const std::string& path, const std::map<std::string, at::Tensor>& arrays) {
  zip_source_t* const target = zip_source_buffer_create(nullptr, 0, 0, nullptr);
  if (target == nullptr) throw Error("cannot write " + path + ": out of memory");
  zip_source_keep(target);
  const std::unique_ptr<zip_source_t, void (*)(zip_source_t*)> kept(target, zip_source_free);
  Archive archive = open_archive(target, ZIP_CREATE | ZIP_TRUNCATE, path);
  std::vector<std::string> images;  // libzip reads them when it closes the archive
  images.reserve(arrays.size());
  const auto fail = [&](const std::string& why) { throw Error(str("cannot write ", path, ": ", why)); };
  for (const auto& [name, tensor] : arrays) {
    images.push_back(to_npy(tensor, path));
    zip_source_t* const source = zip_source_buffer(archive.get(), images.back().data(), images.back().size(), 0);
    const std::string entry = name + std::string(kExtension);
    const zip_int64_t index =
        source == nullptr ? -1 : zip_file_add(archive.get(), entry.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0 && source != nullptr) zip_source_free(source);
    // Stored, so that np.load can map it; and always with the same time, so that equal arrays make equal files.
    if (index < 0 || zip_set_file_compression(archive.get(), static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive.get(), static_cast<zip_uint64_t>(index), 0, 0x21, 0) != 0)
      fail(zip_strerror(archive.get()));
  }
  if (zip_close(archive.get()) != 0) fail(zip_strerror(archive.get()));
  (void)archive.release();
  zip_stat_t info{};
  if (zip_source_stat(target, &info) != 0 || zip_source_open(target) != 0) fail("the archive cannot be read back");
  std::string bytes(info.size, '\0');
  const zip_int64_t count = zip_source_read(target, bytes.data(), bytes.size());
  zip_source_close(target);
  if (count != static_cast<zip_int64_t>(bytes.size())) fail("the archive cannot be read back");
  write_file_atomic(path, bytes);
}

std::map<std::string, at::Tensor> read_npz(const std::string& path) {
  const std::string file = read_file(path);
  const Archive archive =
      open_archive(zip_source_buffer_create(file.data(), file.size(), 0, nullptr), ZIP_RDONLY, path);
  std::map<std::string, at::Tensor> arrays;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  zip_uint64_t total = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t info{};
    const auto at = static_cast<zip_uint64_t>(i);
    if (zip_stat_index(archive.get(), at, 0, &info) != 0 || (info.valid & ZIP_STAT_NAME) == 0)
      throw DataError(str(path, ": damaged .npz archive: ", zip_strerror(archive.get())));
    const std::string name = info.name;
    if (!name.ends_with(kExtension)) throw DataError(str(path, ": entry ", i + 1, " is no array (.npy)"));
    total += info.size;
    if (total > kMostBytes) throw DataError(str(path, ": holds more than 4 GiB"));
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> entry(zip_fopen_index(archive.get(), at, 0), zip_fclose);
    if (!entry) throw DataError(str(path, ": entry ", i + 1, " cannot be read: ", zip_strerror(archive.get())));
    std::string image(info.size, '\0');
    char beyond = 0;  // the checksum is compared where the end is reached, which is one more read
    if (zip_fread(entry.get(), image.data(), image.size()) != static_cast<zip_int64_t>(image.size()) ||
        zip_fread(entry.get(), &beyond, 1) != 0)
      throw DataError(str(path, ": entry ", i + 1, " is damaged: ", zip_file_strerror(entry.get())));
    arrays[name.substr(0, name.size() - kExtension.size())] = parse_npy(image, path);
  }
  return arrays;
}

}  // namespace kaem::io
