#include "data/formats/pickle.h"

#include <bit>
#include <memory>
#include <optional>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {
namespace {

enum class Kind { kNone, kNumber, kText, kList, kTuple, kDict, kObject };

struct Node {
  Kind kind = Kind::kNone;
  int64_t number = 0;
  std::string_view text = {};
  std::vector<size_t> items = {};  ///< of a list or tuple; keys and values of a dict in turn; the state of an object
};

/// The stack machine that a pickle is a program for. Values are numbers of nodes, so that no cycle can leak or recurse.
class Machine {
 public:
  Machine(std::string_view file, const std::string& name) : file_(file), name_(name) {}

  /// Runs to STOP; the number of the value on top.
  size_t run() {
    while (true) {
      const auto op = static_cast<unsigned char>(take(1)[0]);
      if (op == '.') return pop();
      step(op);
    }
  }
  const Node& operator[](size_t node) const { return nodes_[node]; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(str(name_, ": not a pickle that is read here: ", what, " at byte ", at_));
  }
  std::string_view take(uint64_t size) {
    if (size > file_.size() - at_)
      throw DataError(str(name_, ": truncated pickle: ", size, " bytes wanted at byte ", at_, " of ", file_.size()));
    at_ += size;
    return file_.substr(at_ - size, size);
  }
  uint64_t number(size_t size) {
    const std::string_view bytes = take(size);
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  std::string_view line() {
    const size_t end = file_.find('\n', at_);
    if (end == std::string_view::npos) throw DataError(name_ + ": truncated pickle: a name without an end");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }
  void push(Node node) {
    nodes_.push_back(std::move(node));
    stack_.push_back(nodes_.size() - 1);
  }
  size_t pop() {
    if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size())) fail("an empty stack");
    const size_t node = stack_.back();
    stack_.pop_back();
    return node;
  }
  std::vector<size_t> pop_to_mark() {
    if (marks_.empty()) fail("no mark");
    std::vector<size_t> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_text(uint64_t size) { push({.kind = Kind::kText, .text = take(size)}); }
  void push_number(int64_t value) { push({.kind = Kind::kNumber, .number = value}); }
  void push_tuple(size_t size) {
    Node tuple{.kind = Kind::kTuple};
    tuple.items.resize(size);
    for (size_t i = size; i-- > 0;) tuple.items[i] = pop();
    push(std::move(tuple));
  }
  void add(Kind kind, const std::vector<size_t>& items) {
    const size_t target = pop();
    if (nodes_[target].kind != kind || (kind == Kind::kDict && items.size() % 2 != 0)) fail("items for another value");
    auto& own = nodes_[target].items;
    own.insert(own.end(), items.begin(), items.end());
    stack_.push_back(target);
  }
  void remember(uint64_t place) {
    const size_t node = pop();
    memo_[place] = node;
    stack_.push_back(node);
  }
  void recall(uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail("a reference to nothing");
    stack_.push_back(found->second);
  }
  /// An object is made of a callable and its arguments, none of which is called: all that is kept is its later state.
  void reduce() {
    pop(), pop();
    push({.kind = Kind::kObject});
  }
  void build() {
    const size_t state = pop(), object = pop();
    if (nodes_[object].kind != Kind::kObject) fail("state for a value that has none");
    nodes_[object].items = {state};
    stack_.push_back(object);
  }

  void step(unsigned char op) {
    switch (op) {
      case 0x80:
        if (const uint64_t protocol = number(1); protocol > 3) fail(str("protocol ", protocol));
        return;
      case '(':
        return marks_.push_back(stack_.size());
      case 'N':
        return push({});
      case 0x88:
        return push_number(1);
      case 0x89:
        return push_number(0);
      case 'K':
        return push_number(static_cast<int64_t>(number(1)));
      case 'M':
        return push_number(static_cast<int64_t>(number(2)));
      case 'J':
        return push_number(std::bit_cast<int32_t>(static_cast<uint32_t>(number(4))));
      case 'U':
      case 'C':
        return push_text(number(1));
      case 'T':
      case 'B':
      case 'X':
        return push_text(number(4));
      case '}':
        return push({.kind = Kind::kDict});
      case ']':
        return push({.kind = Kind::kList});
      case ')':
        return push({.kind = Kind::kTuple});
      case 't':
        return push({.kind = Kind::kTuple, .items = pop_to_mark()});
      case 0x85:
      case 0x86:
      case 0x87:
        return push_tuple(op - 0x84u);
      case 'a': {
        const size_t item = pop();
        return add(Kind::kList, {item});
      }
      case 'e':
        return add(Kind::kList, pop_to_mark());
      case 's': {
        const size_t value = pop(), key = pop();
        return add(Kind::kDict, {key, value});
      }
      case 'u':
        return add(Kind::kDict, pop_to_mark());
      case 'q':
        return remember(number(1));
      case 'r':
        return remember(number(4));
      case 'h':
        return recall(number(1));
      case 'j':
        return recall(number(4));
      case 'c':
        line(), line();
        return push({.kind = Kind::kObject});
      case 'R':
      case 0x81:
        return reduce();
      case 'b':
        return build();
      default:
        fail(str("operation ", static_cast<int>(op)));
    }
  }

  std::string_view file_;
  const std::string& name_;
  uint64_t at_ = 0;
  std::vector<Node> nodes_;
  std::vector<size_t> stack_, marks_;
  std::map<uint64_t, size_t> memo_;
};

std::optional<std::vector<int64_t>> numbers_of(const Machine& machine, const Node& list) {
  std::vector<int64_t> numbers;
  for (const size_t item : list.items) {
    if (machine[item].kind != Kind::kNumber) return std::nullopt;
    numbers.push_back(machine[item].number);
  }
  return numbers;
}

/// The state of a NumPy array: (version, shape, type, whether in Fortran order, bytes).
std::optional<PickledArray> array_of(const Machine& machine, const Node& object) {
  if (object.items.size() != 1 || machine[object.items[0]].kind != Kind::kTuple) return std::nullopt;
  const auto& state = machine[object.items[0]].items;
  if (state.size() != 5 || machine[state[1]].kind != Kind::kTuple || machine[state[3]].kind != Kind::kNumber ||
      machine[state[4]].kind != Kind::kText)
    return std::nullopt;
  const auto shape = numbers_of(machine, machine[state[1]]);
  if (!shape) return std::nullopt;
  return PickledArray{*shape, machine[state[3]].number != 0, machine[state[4]].text};
}

}  // namespace

PickledArrays parse_pickle(std::string_view file, const std::string& name) {
  Machine machine(file, name);
  const Node& dict = machine[machine.run()];
  if (dict.kind != Kind::kDict) throw DataError(name + ": the pickle holds no dict");
  PickledArrays content;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Node &key = machine[dict.items[i]], &value = machine[dict.items[i + 1]];
    if (key.kind != Kind::kText) continue;
    if (value.kind == Kind::kObject) {
      if (auto array = array_of(machine, value)) content.arrays.insert_or_assign(std::string(key.text), *array);
    } else if (value.kind == Kind::kList) {
      if (auto numbers = numbers_of(machine, value)) content.lists.insert_or_assign(std::string(key.text), *numbers);
    }
  }
  return content;
}

}  // namespace kaem
