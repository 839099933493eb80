#include "data/formats/pickle_machine.h"

#include <bit>
#include <charconv>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

constexpr uint64_t kNewestProtocol = 5;
constexpr size_t kMostNodes = size_t{1} << 24;
constexpr size_t kLongestNumber = 8;

/// The bytes whose code points `text` (UTF-8) holds; none if one is beyond 255.
std::optional<std::string> latin1(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes += text[i];
      continue;
    }
    if ((lead != 0xC2 && lead != 0xC3) || ++i == text.size()) return std::nullopt;
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return std::nullopt;
    bytes += static_cast<char>((lead & 3) << 6 | (next & 0x3F));
  }
  return bytes;
}

}  // namespace

const char* pickle_kind_name(PickleKind kind) {
  constexpr const char* kNames[] = {"None",    "a number", "a number", "a text",    "a list",
                                    "a tuple", "a dict",   "a class",  "an object", "an object"};
  return kNames[static_cast<size_t>(kind)];
}

Pickle::Pickle(std::string_view file, const std::string& name, size_t begin) : file_(file), name_(name), at_(begin) {
  while (true) {
    const auto op = static_cast<unsigned char>(take(1)[0]);
    if (op == '.') break;
    step(op);
  }
  root_ = pop();
}

bool Pickle::is_name(const PickleNode& node, std::string_view module, std::string_view name) {
  return node.kind == PickleKind::kName && node.text == module && node.name == name;
}

const std::vector<size_t>* Pickle::arguments(const PickleNode& object) const {
  const PickleNode& tuple = nodes_[object.made[1]];
  return tuple.kind == PickleKind::kTuple ? &tuple.items : nullptr;
}

std::optional<std::vector<int64_t>> Pickle::numbers(const PickleNode& list) const {
  if (list.kind != PickleKind::kList && list.kind != PickleKind::kTuple) return std::nullopt;
  std::vector<int64_t> numbers;
  for (const size_t item : list.items) {
    if (nodes_[item].kind != PickleKind::kNumber) return std::nullopt;
    numbers.push_back(nodes_[item].number);
  }
  return numbers;
}

const PickleNode* Pickle::find(const PickleNode& dict, std::string_view key) const {
  const PickleNode* found = nullptr;  // the last one counts
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2)
    if (nodes_[dict.items[i]].kind == PickleKind::kText && nodes_[dict.items[i]].text == key)
      found = &nodes_[dict.items[i + 1]];
  return found;
}

void Pickle::fail(const std::string& what) const {
  throw DataError(str(name_, ": not a pickle that is read here: ", what, " at byte ", at_));
}

std::string_view Pickle::take(uint64_t size) {
  if (at_ > file_.size() || size > file_.size() - at_)
    throw DataError(str(name_, ": truncated pickle: ", size, " bytes expected at byte ", at_, " of ", file_.size()));
  at_ += size;
  return file_.substr(at_ - size, size);
}

uint64_t Pickle::number(size_t size) {
  const std::string_view bytes = take(size);
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string_view Pickle::line() {
  const size_t end = file_.find('\n', at_);
  if (end == std::string_view::npos) throw DataError(name_ + ": truncated pickle: a name without an end");
  const std::string_view text = take(end - at_);
  take(1);
  return text;
}

void Pickle::push(PickleNode node) {
  if (nodes_.size() == kMostNodes) fail(str("more than ", kMostNodes, " values"));
  nodes_.push_back(std::move(node));
  stack_.push_back(nodes_.size() - 1);
}

size_t Pickle::pop() {
  if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size())) fail("an empty stack");
  const size_t node = stack_.back();
  stack_.pop_back();
  return node;
}

std::vector<size_t> Pickle::pop_to_mark() {
  if (marks_.empty()) fail("no mark");
  std::vector<size_t> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

/// A whole number in two's complement; one of more than 8 bytes is kept as its bytes.
void Pickle::push_long(uint64_t size) {
  if (size > kLongestNumber) return push_text(size);
  uint64_t value = number(size);
  if (size > 0 && size < kLongestNumber && (value >> (8 * size - 1) & 1) != 0) value |= ~uint64_t{0} << 8 * size;
  push_number(std::bit_cast<int64_t>(value));
}

void Pickle::push_tuple(size_t size) {
  PickleNode tuple{.kind = PickleKind::kTuple};
  tuple.items.resize(size);
  for (size_t i = size; i-- > 0;) tuple.items[i] = pop();
  push(std::move(tuple));
}

void Pickle::push_name() {
  const size_t name = pop(), module = pop();
  if (nodes_[name].kind != PickleKind::kText || nodes_[module].kind != PickleKind::kText)
    fail("a name that is no text");
  push({.kind = PickleKind::kName, .text = nodes_[module].text, .name = nodes_[name].text});
}

/// Objects may be filled like lists and dicts (OrderedDict is).
void Pickle::add(PickleKind kind, const std::vector<size_t>& items) {
  const size_t target = pop();
  const PickleKind found = nodes_[target].kind;
  if ((found != kind && found != PickleKind::kObject) || (kind == PickleKind::kDict && items.size() % 2 != 0))
    fail("items for another value");
  auto& own = nodes_[target].items;
  own.insert(own.end(), items.begin(), items.end());
  stack_.push_back(target);
}

void Pickle::remember(uint64_t place) {
  const size_t node = pop();
  memo_[place] = node;
  stack_.push_back(node);
}

void Pickle::recall(uint64_t place) {
  const auto found = memo_.find(place);
  if (found == memo_.end()) fail("a reference to nothing");
  stack_.push_back(found->second);
}

/// Protocols below 3 have no bytes: Python 3 writes them as a call of codecs.encode(text, 'latin1'). That one is undone
/// here, by our own code; each text once.
bool Pickle::push_bytes(size_t callable, size_t arguments) {
  const PickleNode &name = nodes_[callable], &tuple = nodes_[arguments];
  const bool encode = is_name(name, "_codecs", "encode");
  const bool array = is_name(name, "__builtin__", "bytearray") || is_name(name, "builtins", "bytearray");
  const bool empty = is_name(name, "__builtin__", "bytes") || is_name(name, "builtins", "bytes") || array;
  if (tuple.kind != PickleKind::kTuple || (!encode && !empty)) return false;
  if (tuple.items.empty() && empty) return push({.kind = PickleKind::kText}), true;
  if (nodes_[tuple.items.empty() ? callable : tuple.items[0]].kind != PickleKind::kText) return false;
  const std::string_view text = nodes_[tuple.items[0]].text;
  if (tuple.items.size() != 2) return false;
  const std::string_view encoding = nodes_[tuple.items[1]].text;
  if (encoding != "latin1" && encoding != "latin-1") return false;
  const auto [found, fresh] = encoded_.emplace(text.data(), std::string_view());
  if (fresh) {
    auto bytes = latin1(text);
    if (!bytes) fail("bytes that are none");
    decoded_->push_back(std::move(*bytes));
    found->second = decoded_->back();
  }
  push({.kind = PickleKind::kText, .text = found->second});
  return true;
}

/// An object is made of a callable and its arguments, none of which is called: they are kept to be looked at.
void Pickle::reduce(bool keywords) {
  if (keywords) pop();
  const size_t arguments = pop(), callable = pop();
  if (!push_bytes(callable, arguments)) push({.kind = PickleKind::kObject, .made = {callable, arguments}});
}

void Pickle::build() {
  const size_t state = pop(), object = pop();
  if (nodes_[object].kind != PickleKind::kObject) fail("state for a value that has none");
  nodes_[object].made.resize(2);
  nodes_[object].made.push_back(state);
  stack_.push_back(object);
}

/// The digits of a line: "7", of a long "7L", of a bool "01".
void Pickle::push_digits() {
  std::string_view digits = line();
  if (digits.ends_with('L')) digits.remove_suffix(1);
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (fault != std::errc() || end != digits.data() + digits.size()) fail("a number that is none");
  push_number(value);
}

/// Operations that push a number, a text or a name.
bool Pickle::step_text(unsigned char op) {
  switch (op) {
    case 'N':
      return push({}), true;
    case 0x88:
    case 0x89:
      return push_number(op == 0x88), true;
    case 'I':
    case 'L':
      return push_digits(), true;
    case 'K':
      return push_number(static_cast<int64_t>(number(1))), true;
    case 'M':
      return push_number(static_cast<int64_t>(number(2))), true;
    case 'J':
      return push_number(std::bit_cast<int32_t>(static_cast<uint32_t>(number(4)))), true;
    case 0x8A:
      return push_long(number(1)), true;
    case 0x8B:
      return push_long(number(4)), true;
    case 'G':
      return take(8), push({.kind = PickleKind::kReal}), true;
    case 'U':
    case 'C':
    case 0x8C:
      return push_text(number(1)), true;
    case 'T':
    case 'B':
    case 'X':
      return push_text(number(4)), true;
    case 0x8D:
    case 0x8E:
    case 0x96:
      return push_text(number(8)), true;
    case 'c': {
      const std::string_view module = line();
      return push({.kind = PickleKind::kName, .text = module, .name = line()}), true;
    }
    case 0x93:
      return push_name(), true;
    default:
      return false;
  }
}

/// Operations that make or fill lists, tuples, dicts and sets.
bool Pickle::step_container(unsigned char op) {
  switch (op) {
    case '}':
      return push({.kind = PickleKind::kDict}), true;
    case ']':
    case 0x8F:
      return push({.kind = PickleKind::kList}), true;
    case ')':
      return push({.kind = PickleKind::kTuple}), true;
    case 't':
      return push({.kind = PickleKind::kTuple, .items = pop_to_mark()}), true;
    case 'l':
    case 0x91:
      return push({.kind = PickleKind::kList, .items = pop_to_mark()}), true;
    case 0x85:
    case 0x86:
    case 0x87:
      return push_tuple(op - 0x84u), true;
    case 'a': {
      const size_t item = pop();
      return add(PickleKind::kList, {item}), true;
    }
    case 'e':
    case 0x90:
      return add(PickleKind::kList, pop_to_mark()), true;
    case 's': {
      const size_t value = pop(), key = pop();
      return add(PickleKind::kDict, {key, value}), true;
    }
    case 'u':
      return add(PickleKind::kDict, pop_to_mark()), true;
    default:
      return false;
  }
}

void Pickle::step(unsigned char op) {
  if (step_text(op) || step_container(op)) return;
  switch (op) {
    case 0x80:
      if (const uint64_t protocol = number(1); protocol > kNewestProtocol) fail(str("protocol ", protocol));
      return;
    case 0x95:  // a frame only says how much may be read at once
      number(8);
      return;
    case '(':
      return marks_.push_back(stack_.size());
    case '0':
      pop();
      return;
    case '1':
      pop_to_mark();
      return;
    case '2': {
      const size_t node = pop();
      stack_.insert(stack_.end(), {node, node});
      return;
    }
    case 'q':
      return remember(number(1));
    case 'r':
      return remember(number(4));
    case 0x94:
      return remember(memo_.size());
    case 'h':
      return recall(number(1));
    case 'j':
      return recall(number(4));
    case 'Q': {
      const size_t identity = pop();
      push({.kind = PickleKind::kPersistent, .items = {identity}});
      return persistent_.push_back(stack_.back());
    }
    case 0x98:  // marks a buffer as read-only
      return;
    case 'R':
    case 0x81:
      return reduce(false);
    case 0x92:
      return reduce(true);
    case 'b':
      return build();
    default:
      fail(str("operation ", static_cast<int>(op)));
  }
}

}  // namespace kaem
