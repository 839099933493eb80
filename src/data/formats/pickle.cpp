#include "data/formats/pickle.h"

#include <bit>
#include <cstring>

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

/// A type's state is (version, byte order, ...).
bool is_big_endian(const Pickle& pickle, const PickleNode& type) {
  if (type.kind != PickleKind::kObject || type.made.size() != 3) return false;
  const PickleNode& state = pickle[type.made[2]];
  return state.items.size() > 1 && pickle[state.items[1]].text == ">";
}

/// The whole number that a NumPy scalar, scalar(type, bytes), holds.
std::optional<int64_t> number_of(const Pickle& pickle, const PickleNode& object) {
  if (object.kind == PickleKind::kNumber) return object.number;
  const auto* const parts = object.kind == PickleKind::kObject ? pickle.arguments(object) : nullptr;
  if (parts == nullptr || parts->size() != 2 || !is_numpy(pickle.callable(object), "multiarray", "scalar"))
    return std::nullopt;
  const PickleNode &type = pickle[(*parts)[0]], &bytes = pickle[(*parts)[1]];
  const auto numbers = integers_of({{1}, type_of(pickle, type), is_big_endian(pickle, type), false, bytes.text});
  return numbers ? std::optional(numbers->front()) : std::nullopt;
}

/// A list of whole numbers, NumPy's among them.
std::optional<std::vector<int64_t>> numbers_of(const Pickle& pickle, const PickleNode& list) {
  std::vector<int64_t> numbers;
  for (const size_t item : list.items) {
    const auto number = number_of(pickle, pickle[item]);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

/// An array of its parts; none where they are of other kinds.
std::optional<PickledArray> array_of(const Pickle& pickle, const PickleNode& shape, const PickleNode& type,
                                     bool fortran_order, const PickleNode& bytes) {
  const auto sizes = pickle.numbers(shape);
  if (!sizes || bytes.kind != PickleKind::kText) return std::nullopt;
  return PickledArray{*sizes, type_of(pickle, type), is_big_endian(pickle, type), fortran_order, bytes.text};
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

std::optional<std::vector<int64_t>> integers_of(const PickledArray& array) {
  const std::string& type = array.type;
  const bool integers =
      type.size() == 2 && (type[0] == 'u' || type[0] == 'i') && std::strchr("1248", type[1]) != nullptr;
  if (!integers || array.shape.size() != 1) return std::nullopt;
  const auto size = static_cast<size_t>(type[1] - '0');
  if (array.bytes.size() % size != 0 || array.shape[0] != static_cast<int64_t>(array.bytes.size() / size))
    return std::nullopt;
  std::vector<int64_t> numbers;
  for (size_t at = 0; at < array.bytes.size(); at += size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t byte = array.big_endian ? i : size - 1 - i;
      value = value << 8 | static_cast<unsigned char>(array.bytes[at + byte]);
    }
    if (type[0] == 'i' && size < 8 && (value >> (8 * size - 1) & 1) != 0) value |= ~uint64_t{0} << 8 * size;
    numbers.push_back(std::bit_cast<int64_t>(value));
  }
  return numbers;
}

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
      if (auto numbers = numbers_of(pickle, value)) content.lists.insert_or_assign(std::string(key.text), *numbers);
    }
  }
  return content;
}

}  // namespace kaem
