#include "kaem/io/hdf5.h"

#include "kaem/core/error.h"
#include "kaem/core/str.h"

#ifdef KAEM_WITH_HDF5

#include <hdf5.h>

#include "kaem/io/file.h"

namespace kaem::io {
namespace {

/// An HDF5 object that is closed on every way out.
class Object {
 public:
  Object(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {
    if (id_ < 0) throw Error("the HDF5 library refuses to make the file");
  }
  ~Object() { close_(id_); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  hid_t get() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

void check(bool done) {
  if (!done) throw Error("the HDF5 library cannot write the file");
}

void write_data_set(hid_t file, const std::string& name, const std::vector<int64_t>& shape, hid_t type,
                    const void* values) {
  const std::vector<hsize_t> sizes(shape.begin(), shape.end());
  const Object space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose);
  const Object properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  check(H5Pset_obj_track_times(properties.get(), false) >= 0);  // equal numbers make equal files
  const Object set(H5Dcreate2(file, name.c_str(), type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                   H5Dclose);
  check(H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
}

/// The file is made in memory, and written as all others are.
std::string image_of(const std::string& name, const std::vector<int64_t>& shape, hid_t type, const void* values) {
  constexpr size_t kGrowth = size_t{1} << 20;
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // its own printing
  const Object access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  check(H5Pset_fapl_core(access.get(), kGrowth, false) >= 0);
  const Object file(H5Fcreate("samples.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
  write_data_set(file.get(), name, shape, type, values);
  check(H5Fflush(file.get(), H5F_SCOPE_LOCAL) >= 0);
  const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
  check(size > 0);
  std::string image(static_cast<size_t>(size), '\0');
  check(H5Fget_file_image(file.get(), image.data(), image.size()) == size);
  return image;
}

}  // namespace

bool has_hdf5() { return true; }

void write_hdf5(const std::string& path, const std::string& name, const std::vector<int64_t>& shape,
                std::span<const float> values) {
  write_file_atomic(path, image_of(name, shape, H5T_IEEE_F32LE, values.data()));
}

void write_hdf5(const std::string& path, const std::string& name, const std::vector<int64_t>& shape,
                std::span<const int64_t> values) {
  write_file_atomic(path, image_of(name, shape, H5T_STD_I64LE, values.data()));
}

}  // namespace kaem::io

#else

namespace kaem::io {
namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw UsageError(path + ": is HDF5, which this program was built without (install libhdf5-dev and build again)");
}

}  // namespace

bool has_hdf5() { return false; }

void write_hdf5(const std::string& path, const std::string&, const std::vector<int64_t>&, std::span<const float>) {
  refuse(path);
}

void write_hdf5(const std::string& path, const std::string&, const std::vector<int64_t>&, std::span<const int64_t>) {
  refuse(path);
}

}  // namespace kaem::io

#endif
