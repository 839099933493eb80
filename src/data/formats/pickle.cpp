#include "data/formats/pickle.h"

#include <optional>

#include "data/formats/pickle_machine.h"
#include "kaem/core/error.h"

namespace kaem {
namespace {

/// What was called to make the object is this function of NumPy, in its modules of before and after version 2.
bool is_numpy(const PickleNode& callable, std::string_view module, std::string_view name) {
  return Pickle::is_name(callable, std::string("numpy.core.") + std::string(module), name) ||
         Pickle::is_name(callable, std::string("numpy._core.") + std::string(module), name);
}

/// The name of a type, "u1", from the object of one; empty if it is none.
std::string type_of(const Pickle& pickle, const PickleNode& type) {
  if (type.kind != PickleKind::kObject || !Pickle::is_name(pickle.callable(type), "numpy", "dtype")) return "";
  const auto* const arguments = pickle.arguments(type);
  if (arguments == nullptr || arguments->empty()) return "";
  std::string code(pickle[arguments->front()].text.substr(0, 20));
  for (char& c : code)
    if (c < ' ' || c > '~') c = '?';  // it may be shown in a message
  return code;
}

/// An array of its parts; none where they are of other kinds.
std::optional<PickledArray> array_of(const Pickle& pickle, const PickleNode& shape, const PickleNode& type,
                                     bool fortran_order, const PickleNode& bytes) {
  const auto sizes = pickle.numbers(shape);
  if (!sizes || bytes.kind != PickleKind::kText) return std::nullopt;
  return PickledArray{*sizes, type_of(pickle, type), fortran_order, bytes.text};
}

/// A NumPy array: made empty and given a state (version, shape, type, whether in Fortran order, bytes), or, as protocol
/// 5 does, made of (bytes, type, shape, order).
std::optional<PickledArray> array_of(const Pickle& pickle, const PickleNode& object) {
  const PickleNode& callable = pickle.callable(object);
  if (is_numpy(callable, "numeric", "_frombuffer")) {
    const auto* const parts = pickle.arguments(object);
    if (parts == nullptr || parts->size() != 4) return std::nullopt;
    const auto part = [&](size_t i) -> const PickleNode& { return pickle[(*parts)[i]]; };
    return array_of(pickle, part(2), part(1), part(3).text == "F", part(0));
  }
  if (!is_numpy(callable, "multiarray", "_reconstruct") || object.made.size() != 3) return std::nullopt;
  const PickleNode& state = pickle[object.made[2]];
  if (state.kind != PickleKind::kTuple || state.items.size() != 5) return std::nullopt;
  const auto part = [&](size_t i) -> const PickleNode& { return pickle[state.items[i]]; };
  if (part(3).kind != PickleKind::kNumber) return std::nullopt;
  return array_of(pickle, part(1), part(2), part(3).number != 0, part(4));
}

}  // namespace

PickledArrays parse_pickle(std::string_view file, const std::string& name) {
  const Pickle pickle(file, name);
  const PickleNode& dict = pickle.root();
  if (dict.kind != PickleKind::kDict) throw DataError(name + ": the pickle holds no dict");
  PickledArrays content;
  content.decoded = pickle.decoded();
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleNode &key = pickle[dict.items[i]], &value = pickle[dict.items[i + 1]];
    if (key.kind != PickleKind::kText) continue;
    if (value.kind == PickleKind::kObject) {
      if (auto array = array_of(pickle, value)) content.arrays.insert_or_assign(std::string(key.text), *array);
    } else if (value.kind == PickleKind::kList) {
      if (auto numbers = pickle.numbers(value)) content.lists.insert_or_assign(std::string(key.text), *numbers);
    }
  }
  return content;
}

}  // namespace kaem
