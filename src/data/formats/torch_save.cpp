#include "data/formats/torch_save.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "data/formats/pickle_machine.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

// The pickles before the dict in files of before version 1.6: a magic number, a version, the machine that wrote it.
constexpr std::string_view kLegacy("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr int kMostWrappers = 4;                     // a parameter of a subclass of ... a tensor
constexpr size_t kMostAxes = 64;                     // as in LibTorch
constexpr int64_t kMostRepeated = int64_t{1} << 28;  // elements of a tensor that has more of them than its storage
constexpr char kTensor[] = "a tensor";
constexpr char kAdvice[] = "; save a dict of tensors: torch.save({'x': a, 'y': u}, path)";

struct ElementType {
  std::string_view storage, dtype;
  char kind;
  uint64_t item_size;
};
constexpr auto kElementTypes = std::to_array<ElementType>({{"FloatStorage", "float32", 'f', 4},
                                                           {"DoubleStorage", "float64", 'f', 8},
                                                           {"HalfStorage", "float16", 'f', 2},
                                                           {"BFloat16Storage", "bfloat16", 'h', 2},
                                                           {"ByteStorage", "uint8", 'u', 1},
                                                           {"CharStorage", "int8", 'i', 1},
                                                           {"ShortStorage", "int16", 'i', 2},
                                                           {"IntStorage", "int32", 'i', 4},
                                                           {"LongStorage", "int64", 'i', 8},
                                                           {"BoolStorage", "bool", 'b', 1},
                                                           {"", "uint16", 'u', 2},
                                                           {"", "uint32", 'u', 4},
                                                           {"", "uint64", 'u', 8},
                                                           {"UntypedStorage", "", 'u', 1}});

const ElementType* type_of_storage(const PickleNode& name) {
  for (const auto& type : kElementTypes)
    if (name.kind == PickleKind::kName && !type.storage.empty() && name.name == type.storage) return &type;
  return nullptr;
}

/// Shortened, on one line and in ASCII.
std::string shown(std::string_view text) {
  std::string line(text.substr(0, 60));
  for (char& c : line)
    if (c < ' ' || c > '~') c = '?';
  return line;
}

/// A zip archive in memory.
class ZipFile {
 public:
  ZipFile(std::string_view file, const std::string& path) : path_(path) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* const source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
    zip_t* const archive = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    if (archive == nullptr && source != nullptr) zip_source_free(source);
    if (archive == nullptr) throw DataError(str(path, ": not a file of torch.save: damaged zip archive: ", why));
    archive_ = {archive, zip_discard};
  }

  /// The folder, with its slash, that holds `data.pkl`.
  std::string folder_of_pickle() const {
    constexpr std::string_view kName = "data.pkl";
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* const found = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0);
      const std::string_view name = found == nullptr ? "" : found;
      const size_t folder = name.rfind('/') + 1;
      if (name.substr(folder) == kName) return std::string(name.substr(0, folder));
    }
    throw DataError(str(path_, ": not a file of torch.save: a zip archive without data.pkl"));
  }

  bool holds(const std::string& name) const { return zip_name_locate(archive_.get(), name.c_str(), 0) >= 0; }

  /// The content of an entry, which torch.save never packs: it cannot be larger than the file. Its checksum is
  /// compared.
  std::string read(const std::string& name) const {
    const auto fail = [&](const std::string& what) {
      throw DataError(str(path_, ": record ", shown(name), " ", what));
    };
    zip_stat_t info{};
    if (zip_stat(archive_.get(), name.c_str(), 0, &info) != 0) fail("is missing");
    if (info.comp_method != ZIP_CM_STORE || info.size != info.comp_size) fail("is packed, which torch.save never does");
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen(archive_.get(), name.c_str(), 0),
                                                                 zip_fclose);
    if (!file) fail(str("cannot be read: ", zip_strerror(archive_.get())));
    std::string bytes;
    std::array<char, 65536> buffer;
    while (true) {
      const zip_int64_t count = zip_fread(file.get(), buffer.data(), buffer.size());
      if (count < 0) fail(str("is damaged: ", zip_file_strerror(file.get())));
      if (count == 0) break;
      bytes.append(buffer.data(), static_cast<size_t>(count));
    }
    if (bytes.size() != info.size) fail("is truncated");
    return bytes;
  }

 private:
  const std::string& path_;
  std::unique_ptr<zip_t, void (*)(zip_t*)> archive_{nullptr, zip_discard};
};

/// Where a tensor's elements are.
struct Storage {
  std::string key;
  const ElementType* type = nullptr;
  uint64_t numel = 0;
};

std::optional<Storage> storage_of(const Pickle& pickle, const PickleNode& persistent) {
  if (persistent.kind != PickleKind::kPersistent) return std::nullopt;
  const PickleNode& identity = pickle[persistent.items[0]];
  if (identity.kind != PickleKind::kTuple || identity.items.size() < 5) return std::nullopt;
  const auto part = [&](size_t i) -> const PickleNode& { return pickle[identity.items[i]]; };
  const bool view = identity.items.size() > 5 && part(5).kind != PickleKind::kNone;
  const ElementType* const type = type_of_storage(part(1));
  if (part(0).text != "storage" || view || type == nullptr || part(2).kind != PickleKind::kText ||
      part(4).kind != PickleKind::kNumber || part(4).number < 0)
    return std::nullopt;
  return Storage{std::string(part(2).text), type, static_cast<uint64_t>(part(4).number)};
}

class TorchSave {
 public:
  TorchSave(std::string_view file, const std::string& path) : path_(path), file_(file) {
    if (file.starts_with(kLegacy)) {
      read_legacy();
      return;
    }
    if (!file.starts_with("PK"))
      throw DataError(str(path, ": neither a zip archive nor the older form that PyTorch saves", kAdvice));
    zip_.emplace(file, path_);
    folder_ = zip_->folder_of_pickle();
    if (zip_->holds(folder_ + "byteorder") && zip_->read(folder_ + "byteorder") != "little")
      throw DataError(path + ": was written by a big-endian machine, which is not read");
    program_ = zip_->read(folder_ + "data.pkl");
    pickle_.emplace(program_, path_ + "/data.pkl");
  }

  SavedTensor find(const std::vector<std::string_view>& names) const {
    const PickleNode* dict = &pickle_->root();
    for (int i = 0; i < kMostWrappers && is_tagged(*dict); ++i) dict = &(*pickle_)[pickle_->arguments(*dict)->front()];
    const bool ordered = dict->kind == PickleKind::kObject && pickle_->callable(*dict).name == "OrderedDict";
    if (dict->kind != PickleKind::kDict && !ordered)
      throw DataError(str(path_, ": holds no dict of tensors but ", described(*dict), kAdvice));
    for (const auto name : names) {
      const PickleNode* const value = pickle_->find(*dict, name);
      if (value == nullptr) continue;
      if (auto tensor = tensor_of(*value, str(path_, ": tensor '", name, "'"))) return std::move(*tensor);
      if (described(*value) == kTensor)
        throw DataError(
            str(path_, ": '", name, "' is no dense tensor of plain numbers (sparse, quantised or meta)", kAdvice));
    }
    std::string wanted, found;
    for (const auto name : names) wanted += str(wanted.empty() ? "" : ", ", name);
    for (size_t i = 0; i + 1 < dict->items.size() && found.size() < 60; i += 2)
      found += str(found.empty() ? "" : ", ", "'", shown((*pickle_)[dict->items[i]].text), "' (",
                   described((*pickle_)[dict->items[i + 1]]), ")");
    throw DataError(str(path_, ": the dict holds no tensor called one of ", wanted, "; it holds ",
                        found.empty() ? "nothing" : found, kAdvice));
  }

 private:
  [[noreturn]] void fail_legacy(const std::string& what) const {
    throw DataError(str(path_, ": not a file of torch.save: ", what));
  }

  /// LibTorch's own writer wraps a dict in a call that names its type.
  bool is_tagged(const PickleNode& node) const {
    return node.kind == PickleKind::kObject && pickle_->callable(node).name == "restore_type_tag" &&
           pickle_->arguments(node) != nullptr && !pickle_->arguments(node)->empty();
  }

  std::string described(const PickleNode& node) const {
    if (node.kind != PickleKind::kObject) return pickle_kind_name(node.kind);
    const PickleNode& callable = pickle_->callable(node);
    if (callable.name.starts_with("_rebuild")) return kTensor;
    return str("an object of ", shown(callable.text), ".", shown(callable.name));
  }

  void read_legacy() {
    const Pickle version(file_, path_, kLegacy.size()), machine(file_, path_, version.end());
    const PickleNode* const little =
        machine.root().kind == PickleKind::kDict ? machine.find(machine.root(), "little_endian") : nullptr;
    if (little == nullptr || little->number != 1) fail_legacy("its legacy form by a machine that is not little-endian");
    pickle_.emplace(file_, path_, machine.end());
    const Pickle keys(file_, path_, pickle_->end());
    std::map<std::string_view, Storage> storages;
    std::vector<Storage> kept;
    for (const size_t node : pickle_->persistent())
      if (auto storage = storage_of(*pickle_, (*pickle_)[node])) kept.push_back(std::move(*storage));
    for (const auto& storage : kept) storages.insert_or_assign(storage.key, storage);
    size_t at = keys.end();
    for (const size_t item : keys.root().items) {
      const auto found = storages.find(keys[item].text);
      if (found == storages.end()) fail_legacy("a storage of a kind that is not read");
      const uint64_t bytes = checked_bytes(found->second, path_);
      if (file_.size() - at < 8 || file_.size() - at - 8 < bytes) fail_legacy("truncated");
      legacy_[std::string(keys[item].text)] = file_.substr(at + 8, bytes);
      at += 8 + bytes;
    }
  }

  static uint64_t checked_bytes(const Storage& storage, const std::string& what) {
    if (storage.numel > std::numeric_limits<uint64_t>::max() / 16)
      throw DataError(str(what, ": a storage of ", storage.numel, " elements"));
    return storage.numel * storage.type->item_size;
  }

  /// What a tensor is rebuilt of, behind the wrappers of parameters and subclasses; null if it is no tensor.
  const std::vector<size_t>* parts_of(const PickleNode* node) const {
    for (int i = 0; i < kMostWrappers && node->kind == PickleKind::kObject; ++i) {
      const PickleNode& callable = pickle_->callable(*node);
      const auto* const arguments = pickle_->arguments(*node);
      if (callable.kind != PickleKind::kName || arguments == nullptr || arguments->empty()) return nullptr;
      const auto part = [&](size_t k) -> const PickleNode& { return (*pickle_)[(*arguments)[k]]; };
      if (callable.text == "torch._utils" &&
          (callable.name == "_rebuild_tensor_v2" || callable.name == "_rebuild_tensor" ||
           callable.name == "_rebuild_tensor_v3"))
        return arguments;
      if (callable.name == "_rebuild_from_type_v2" && arguments->size() >= 3 && part(2).kind == PickleKind::kTuple)
        return part(0).name.starts_with("_rebuild_tensor") ? &part(2).items : nullptr;
      if (!callable.name.starts_with("_rebuild_parameter")) return nullptr;
      node = &part(0);
    }
    return nullptr;
  }

  std::optional<SavedTensor> tensor_of(const PickleNode& node, const std::string& what) const {
    const auto fail = [&](const auto&... text) { throw DataError(str(what, " ", text...)); };
    const auto* const parts = parts_of(&node);
    if (parts == nullptr || parts->size() < 4) return std::nullopt;
    const auto part = [&](size_t i) -> const PickleNode& { return (*pickle_)[(*parts)[i]]; };
    auto storage = storage_of(*pickle_, part(0));
    if (!storage) fail("is of a type that is not read", kAdvice);
    const auto sizes = pickle_->numbers(part(2)), strides = pickle_->numbers(part(3));
    if (part(1).kind != PickleKind::kNumber || !sizes || !strides || sizes->size() != strides->size() ||
        sizes->size() > kMostAxes)
      fail("is described by no offset, sizes and strides");
    // The seventh argument says that the numbers are to be negated or conjugated (dtype in version 3).
    if (parts->size() > 6 && part(6).kind == PickleKind::kDict && !part(6).items.empty())
      fail("is a lazily negated or conjugated view; save its clone()");
    SavedTensor tensor;
    tensor.storage = bytes_of(*storage, what);
    if (storage->type->storage == "UntypedStorage") set_type(*storage, parts->size() > 6 ? part(6) : part(0), what);
    tensor.kind = storage->type->kind, tensor.item_size = storage->type->item_size;
    tensor.sizes = *sizes, tensor.strides = *strides;
    tensor.offset = static_cast<uint64_t>(part(1).number);
    check_extent(tensor, part(1).number, static_cast<int64_t>(storage->numel), what);
    return tensor;
  }

  /// The element type of a storage of bytes.
  static void set_type(Storage& storage, const PickleNode& dtype, const std::string& what) {
    for (const auto& type : kElementTypes)
      if (Pickle::is_name(dtype, "torch", type.dtype) && !type.dtype.empty()) {
        storage.type = &type, storage.numel /= type.item_size;
        return;
      }
    throw DataError(str(what, " is of a type that is not read", kAdvice));
  }

  std::string bytes_of(const Storage& storage, const std::string& what) const {
    std::string bytes;
    if (zip_) {
      bytes = zip_->read(str(folder_, "data/", storage.key));
    } else if (const auto found = legacy_.find(storage.key); found != legacy_.end()) {
      bytes = found->second;
    } else {
      throw DataError(what + ": its storage is missing");
    }
    const uint64_t expected = checked_bytes(storage, what);
    if (bytes.size() != expected)
      throw DataError(str(what, ": its storage has ", bytes.size(), " bytes, expected ", expected, " (", storage.numel,
                          " elements of ", storage.type->item_size, ")"));
    return bytes;
  }

  /// No element may lie outside the storage.
  static void check_extent(const SavedTensor& tensor, int64_t offset, int64_t numel, const std::string& what) {
    const auto fail = [&](const std::string& found) {
      std::string shape;
      for (const int64_t size : tensor.sizes) shape += str(shape.empty() ? "" : "x", size);
      throw DataError(str(what, " of shape ", shape, " at offset ", offset, " ", found));
    };
    int64_t count = 1;
    const int64_t most = std::max(numel, kMostRepeated);
    for (size_t i = 0; i < tensor.sizes.size(); ++i) {
      if (tensor.sizes[i] < 0 || tensor.strides[i] < 0) fail("has a negative size or stride");
      if (tensor.sizes[i] > 0 && count > most / tensor.sizes[i]) fail("has more elements than can be");
      count *= tensor.sizes[i];
    }
    if (offset < 0 || offset > numel) fail(str("begins outside its storage of ", numel, " elements"));
    if (count == 0) return;
    int64_t last = offset;
    for (size_t i = 0; i < tensor.sizes.size(); ++i) {
      const int64_t steps = tensor.sizes[i] - 1, stride = tensor.strides[i];
      if (last >= numel || (steps > 0 && stride > 0 && stride > (numel - 1 - last) / steps))
        fail(str("goes beyond its storage of ", numel, " elements"));
      last += steps * (steps > 0 ? stride : 0);
    }
    if (last >= numel) fail(str("goes beyond its storage of ", numel, " elements"));
  }

  std::string path_;
  std::string_view file_;
  std::optional<ZipFile> zip_;
  std::string folder_, program_;
  std::optional<Pickle> pickle_;
  std::map<std::string, std::string_view, std::less<>> legacy_;
};

}  // namespace

SavedTensor parse_torch_save(std::string_view file, const std::vector<std::string_view>& names,
                             const std::string& path) {
  return TorchSave(file, path).find(names);
}

}  // namespace kaem
