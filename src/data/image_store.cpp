#include "data/image_store.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/cache_folder.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

constexpr size_t kPage = 4096;
constexpr int kDecoder = 2;  // of another number where the same file would give other pixels

size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

std::string reason(int error) { return std::generic_category().message(error); }

std::string describe(const ImageSource& source, const std::vector<size_t>& rows, const ImageRecipe& recipe) {
  std::string text = str(source.path(), "\ndecoder ", kDecoder, "\n", recipe.shape[0], " ", recipe.shape[1], " ",
                         recipe.shape[2], " ", recipe.crop, "\n", source.identity());
  for (const size_t row : rows) text += str(row, "\n");
  return text;
}

}  // namespace

/// The file: a page of header, a checksum for each row (0: not decoded), padding to a page, the rows.
struct ImageStore::Cache {
  int descriptor = -1;
  std::string path;
  void* map = MAP_FAILED;
  size_t bytes = 0, first = 0;  ///< of the file; before the rows
  size_t record = 0;            ///< bytes of a row
  uint32_t* sums = nullptr;
  uint8_t* pixels = nullptr;

  ~Cache() {
    if (map != MAP_FAILED) ::munmap(map, bytes);
    if (descriptor >= 0) ::close(descriptor);
  }
  [[noreturn]] void fail(const char* what, int error) const { throw Error(str(what, " ", path, ": ", reason(error))); }

  /// Opens or makes the file for `count` rows of `size` bytes whose header is `header`.
  void open(const std::string& file, const std::string& header, size_t count, size_t size,
            std::vector<std::string>& notes) {
    path = file;
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
    descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) fail("cannot open", errno);
    if (::flock(descriptor, LOCK_EX) != 0) fail("cannot lock", errno);
    first = kPage + whole_pages(sizeof(uint32_t) * count), record = size;
    bytes = first + count * size;
    if (!holds(header)) {
      make_anew(header, notes);
    } else if (const int problem = reserve(); problem != 0) {
      fail("no space for all of", problem);  // a copy with holes
    }
    ::flock(descriptor, LOCK_UN);
    map = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (map == MAP_FAILED) fail("cannot map", errno);
    sums = reinterpret_cast<uint32_t*>(static_cast<char*>(map) + kPage);
    pixels = static_cast<uint8_t*>(map) + first;
  }

  /// True if the file has this header and size: the header is written last.
  bool holds(const std::string& header) const {
    struct stat info {};
    if (::fstat(descriptor, &info) != 0) fail("cannot read", errno);
    std::string found(header.size(), '\0');
    return static_cast<size_t>(info.st_size) == bytes &&
           ::pread(descriptor, found.data(), found.size(), 0) == static_cast<ssize_t>(found.size()) && found == header;
  }

  void make_anew(const std::string& header, std::vector<std::string>& notes) {
    struct stat info {};
    if (::fstat(descriptor, &info) == 0 && info.st_size > 0)
      notes.push_back(str("the image cache ", path, " is not whole or not of this program and is made again"));
    try {
      if (::ftruncate(descriptor, 0) != 0) fail("cannot write", errno);
      if (const int problem = reserve(); problem != 0) fail("no space for", problem);
      if (::pwrite(descriptor, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()))
        fail("cannot write", errno);
    } catch (const Error&) {
      std::error_code ignored;
      std::filesystem::remove(path, ignored);  // what was reserved, for others
      throw;
    }
  }

  /// Space for all rows; an error number, or 0. A full disk must be known here. Later it would be a signal at the first
  /// access to a page of the map (reading a hole takes a page too where the folder is in memory), in mid-run.
  int reserve() const {
    int error = 0;
    do {
      error = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
    } while (error == EINTR);
    return error;
  }

  /// Of a row's bytes, never 0.
  uint32_t checksum(int64_t row) const {
    const auto sum =
        static_cast<uint32_t>(crc32(0, pixels + static_cast<size_t>(row) * record, static_cast<uInt>(record)));
    return sum == 0 ? 1 : sum;
  }
};

ImageStore::ImageStore(std::shared_ptr<ImageSource> source, std::vector<size_t> rows, const ImageRecipe& recipe,
                       std::vector<std::string>& notes)
    : source_(std::move(source)), rows_(std::move(rows)), recipe_(recipe), ready_(rows_.size(), 0) {
  const auto count = static_cast<int64_t>(rows_.size());
  const std::vector<int64_t> shape = {count, recipe.shape[0], recipe.shape[1], recipe.shape[2]};
  const std::string key = io::sha256(describe(*source_, rows_, recipe)), folder = cache_folder();
  const std::string header =
      str("kaem image cache 1\n", key, "\n", shape[0], " ", shape[1], " ", shape[2], " ", shape[3], "\n");
  try {
    if (folder.empty()) throw Error("neither XDG_CACHE_HOME nor HOME is set");
    const auto cache = std::make_shared<Cache>();
    cache->open(str(folder, "/images_", key.substr(0, 16), ".bin"), header, rows_.size(),
                static_cast<size_t>(shape[1] * shape[2] * shape[3]), notes);
    // The map lives as long as a tensor sees it.
    images_ = at::from_blob(
        cache->pixels, shape, [cache](void*) {}, at::kByte);
    cache_ = cache;
  } catch (const Error& error) {
    notes.push_back(str("decoded images are kept in memory, not in a cache file: ", error.what()));
    images_ = at::zeros(shape, at::kByte);
  }
}

ImageStore::~ImageStore() = default;

void ImageStore::decode(int64_t row) {
  const size_t image = rows_[static_cast<size_t>(row)];
  const at::Tensor record = make_record(source_->read(image), recipe_, source_->path() + "/" + source_->names()[image]);
  const auto size = static_cast<size_t>(record.numel());
  std::memcpy(images_.mutable_data_ptr<uint8_t>() + static_cast<size_t>(row) * size, record.const_data_ptr(), size);
  // After the row: a program that ends in between leaves a row without its checksum, which is decoded again.
  if (cache_) cache_->sums[row] = cache_->checksum(row);
}

std::vector<int64_t> ImageStore::find_damaged(int64_t first, int64_t count, std::string& reason,
                                              const DataProgress& progress) {
  constexpr int64_t kChunk = 256;
  const std::scoped_lock lock(mutex_);
  std::vector<int64_t> damaged;
  for (int64_t begin = first; begin < first + count; begin += kChunk) {
    std::array<std::string, kChunk> reasons;
    const int64_t end = std::min(begin + kChunk, first + count);
    // A checksum is compared when the row is asked for: reading all rows here would take as long as reading the file.
    at::parallel_for(begin, end, 1, [&](int64_t from, int64_t to) {
      for (int64_t row = from; row < to; ++row) try {
          if (ready_[static_cast<size_t>(row)] == 0 && (!cache_ || cache_->sums[row] == 0)) decode(row);
          if (!cache_) ready_[static_cast<size_t>(row)] = 1;
        } catch (const DataError& error) {
          reasons[static_cast<size_t>(row - begin)] = error.what();
        }
    });
    for (int64_t row = begin; row < end; ++row) {
      const std::string& why = reasons[static_cast<size_t>(row - begin)];
      if (why.empty()) continue;
      if (reason.empty()) reason = why;
      damaged.push_back(row);
    }
    if (progress && count > kChunk) progress("pictures", end - first, count);
  }
  return damaged;
}

void ImageStore::prepare(const at::Tensor& rows) {
  const at::Tensor index = rows.to(at::kLong).contiguous();
  const int64_t* const row = index.const_data_ptr<int64_t>();
  const std::scoped_lock lock(mutex_);
  std::vector<int64_t> wanted;
  for (int64_t i = 0; i < index.numel(); ++i) {
    TORCH_CHECK_INDEX(row[i] >= 0 && row[i] < images_.size(0), "ImageStore: row ", row[i], " of ", images_.size(0));
    uint8_t& ready = ready_[static_cast<size_t>(row[i])];
    if (ready == 0) wanted.push_back(row[i]), ready = 1;
  }
  try {
    at::parallel_for(0, std::ssize(wanted), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        if (!cache_ || cache_->sums[wanted[i]] != cache_->checksum(wanted[i])) decode(wanted[i]);
    });
  } catch (...) {
    for (const int64_t failed : wanted) ready_[static_cast<size_t>(failed)] = 0;
    throw;
  }
}

}  // namespace kaem
