#include "data/formats/hdf5.h"

#include "kaem/core/error.h"
#include "kaem/core/str.h"

#ifdef KAEM_WITH_HDF5

#include <hdf5.h>

#include <algorithm>
#include <cstring>

#include "kaem/io/child.h"

namespace kaem {
namespace {

/// An HDF5 object that is closed on every way out.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  bool ok() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

constexpr int kMaxAxes = 8;
constexpr int64_t kMaxNumbers = int64_t{1} << 32;

Hdf5Array read_data_set(hid_t file, const std::string& name, const std::string& path) {
  const auto fail = [&](const char* what) { throw DataError(str(path, ": data set ", name, " ", what)); };
  const Handle data(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!data.ok()) fail("cannot be opened");
  // Its bytes could be those of any file of this machine.
  const Handle made(H5Dget_create_plist(data.get()), H5Pclose);
  if (!made.ok() || H5Pget_external_count(made.get()) != 0) fail("lies in another file");
  if (H5Pall_filters_avail(made.get()) == 0)
    fail("is compressed in a way that this HDF5 library cannot undo; h5repack -f GZIP=4 writes one that it can");
  const Handle space(H5Dget_space(data.get()), H5Sclose), type(H5Dget_type(data.get()), H5Tclose);
  const H5T_class_t kind = type.ok() ? H5Tget_class(type.get()) : H5T_NO_CLASS;
  if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM) fail("holds no numbers");
  const int axes = space.ok() ? H5Sget_simple_extent_ndims(space.get()) : -1;
  if (axes < 1 || axes > kMaxAxes) fail("is no array");
  std::vector<hsize_t> sizes(static_cast<size_t>(axes));
  H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  Hdf5Array array;
  int64_t count = 1;
  for (const hsize_t size : sizes) {
    if (size < 1 || static_cast<int64_t>(size) > kMaxNumbers / count) fail("is empty or too large");
    array.shape.push_back(static_cast<int64_t>(size)), count *= array.shape.back();
  }
  if (kind == H5T_ENUM) {  // h5py's bool: bytes 0 and 1
    std::vector<signed char> bytes(static_cast<size_t>(count));
    if (H5Tget_size(type.get()) != 1) fail("holds no numbers");
    if (H5Dread(data.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) fail("is damaged");
    array.numbers.assign(bytes.begin(), bytes.end());
    return array;
  }
  array.numbers.resize(static_cast<size_t>(count));
  if (H5Dread(data.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.numbers.data()) < 0)
    fail("is damaged");
  return array;
}

/// "a [4,2,3], b (group)": what stands in the file's root group.
std::string content_of(hid_t file) {
  constexpr hsize_t kMostNames = 12;
  H5G_info_t info{};
  if (H5Gget_info(file, &info) < 0) return "nothing that can be listed";
  std::string text;
  for (hsize_t i = 0; i < std::min(info.nlinks, kMostNames); ++i) {
    char name[64] = {};
    if (H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof(name), H5P_DEFAULT) < 0) continue;
    text += str(text.empty() ? "" : ", ", name);
    const Handle object(H5Oopen(file, name, H5P_DEFAULT), H5Oclose);
    if (object.ok() && H5Iget_type(object.get()) == H5I_GROUP) text += " (group)";
    if (!object.ok() || H5Iget_type(object.get()) != H5I_DATASET) continue;
    const Handle space(H5Dget_space(object.get()), H5Sclose);
    const int axes = space.ok() ? H5Sget_simple_extent_ndims(space.get()) : -1;
    if (axes < 0 || axes > kMaxAxes) continue;
    std::vector<hsize_t> sizes(static_cast<size_t>(axes));
    H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
    std::string shape;
    for (const hsize_t size : sizes) shape += str(shape.empty() ? "" : ",", size);
    text += str(" [", shape, "]");
  }
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return text.empty() ? "nothing" : text + (info.nlinks > kMostNames ? ", ..." : "");
}

Hdf5Array read_first(const std::string& path, const std::vector<std::string_view>& names) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // its own printing; errors are thrown below
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file.ok()) throw DataError(path + ": cannot be read as HDF5: truncated, damaged or of another format");
  std::string looked;
  for (const auto name : names) {
    H5L_info_t link{};
    const std::string key(name);
    const bool there = H5Lexists(file.get(), key.c_str(), H5P_DEFAULT) > 0 &&
                       H5Lget_info(file.get(), key.c_str(), &link, H5P_DEFAULT) >= 0;
    if (there && link.type == H5L_TYPE_EXTERNAL)
      throw DataError(str(path, ": data set ", key, " lies in another file"));
    if (there) return read_data_set(file.get(), key, path);
    looked += str(looked.empty() ? "" : ", ", name);
  }
  throw DataError(str(path, ": holds none of the data sets ", looked, "; it holds ", content_of(file.get())));
}

/// Number of axes, sizes, numbers: as the parent reads them.
std::string packed(const Hdf5Array& array) {
  std::string bytes;
  const auto add = [&](const void* from, size_t size) { bytes.append(static_cast<const char*>(from), size); };
  const uint64_t axes = array.shape.size();
  add(&axes, sizeof axes);
  add(array.shape.data(), axes * sizeof(int64_t));
  add(array.numbers.data(), array.numbers.size() * sizeof(double));
  return bytes;
}

}  // namespace

Hdf5Array read_hdf5(const std::string& path, const std::vector<std::string_view>& names) {
  // The library trusts what a file says of itself: of random damage one in a thousand ends it by a signal.
  const std::string bytes = io::in_child(path, [&] { return packed(read_first(path, names)); });
  Hdf5Array array;
  size_t at = 0;
  const auto take = [&](void* target, size_t size) {
    if (size > bytes.size() - at) throw DataError(path + " is damaged");
    std::memcpy(target, bytes.data() + at, size);
    at += size;
  };
  uint64_t axes = 0;
  take(&axes, sizeof axes);
  if (axes > kMaxAxes) throw DataError(path + " is damaged");
  array.shape.resize(axes);
  take(array.shape.data(), axes * sizeof(int64_t));
  array.numbers.resize((bytes.size() - at) / sizeof(double));
  take(array.numbers.data(), array.numbers.size() * sizeof(double));
  return array;
}

}  // namespace kaem

#else

namespace kaem {

Hdf5Array read_hdf5(const std::string& path, const std::vector<std::string_view>&) {
  throw DataError(path + ": is HDF5, which this program was built without (install libhdf5-dev and build again)");
}

}  // namespace kaem

#endif
