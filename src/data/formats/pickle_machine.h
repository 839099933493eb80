#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Reads Python's pickles (protocols 1 to 5) into a table of values. A pickle is a program that may call anything; here
/// its calls are only noted down, so that nothing is ever imported or run. Without torch.
namespace kaem {

enum class PickleKind { kNone, kNumber, kReal, kText, kList, kTuple, kDict, kName, kObject, kPersistent };

/// What `kind` is called in messages.
const char* pickle_kind_name(PickleKind kind);

/// A value. Others are named by their numbers, so that a value that holds itself neither leaks nor recurses.
struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  int64_t number = 0;              ///< of a number (bool, int)
  std::string_view text = {};      ///< of a text (str, bytes, bytearray); the module of a name
  std::string_view name = {};      ///< of a name: what is called so in the module
  std::vector<size_t> items = {};  ///< of a list or tuple, or an object's; keys and values of a dict in turn; of a
                                   ///< persistent value the one that identifies it
  std::vector<size_t> made = {};   ///< of an object: what would be called and with which tuple; then its state
};

/// The values of one pickle.
class Pickle {
 public:
  /// Runs the pickle that begins at byte `begin` of `file`, which must outlive this. DataError names `name` if it is
  /// truncated, damaged or uses operations that data do not need.
  Pickle(std::string_view file, const std::string& name, size_t begin = 0);

  size_t end() const { return at_; }  ///< of the first byte after the pickle
  const PickleNode& root() const { return nodes_[root_]; }
  const PickleNode& operator[](size_t node) const { return nodes_[node]; }

  /// True if `node` is the name `module`.`name`.
  static bool is_name(const PickleNode& node, std::string_view module, std::string_view name);
  /// What would be called to make an object: a name or something else; its arguments, null if they are no tuple.
  const PickleNode& callable(const PickleNode& object) const { return nodes_[object.made[0]]; }
  const std::vector<size_t>* arguments(const PickleNode& object) const;
  /// Whole numbers of a list or tuple.
  std::optional<std::vector<int64_t>> numbers(const PickleNode& list) const;
  /// The value of a key (str or bytes) of a dict, or of an object that is filled like one; null if there is none.
  const PickleNode* find(const PickleNode& dict, std::string_view key) const;

  /// Values that are kept outside the pickle, in its order.
  const std::vector<size_t>& persistent() const { return persistent_; }
  /// Texts that do not stand in the file as they are.
  std::shared_ptr<const std::deque<std::string>> decoded() const { return decoded_; }

 private:
  [[noreturn]] void fail(const std::string& what) const;
  std::string_view take(uint64_t size);
  uint64_t number(size_t size);
  std::string_view line();
  void push(PickleNode node);
  size_t pop();
  std::vector<size_t> pop_to_mark();
  void push_text(uint64_t size) { push({.kind = PickleKind::kText, .text = take(size)}); }
  void push_number(int64_t value) { push({.kind = PickleKind::kNumber, .number = value}); }
  void push_long(uint64_t size);
  void push_digits();
  void push_tuple(size_t size);
  void push_name();
  void add(PickleKind kind, const std::vector<size_t>& items);
  void remember(uint64_t place);
  void recall(uint64_t place);
  void reduce(bool keywords);
  bool push_bytes(size_t callable, size_t arguments);
  void build();
  bool step_text(unsigned char op);
  bool step_container(unsigned char op);
  void step(unsigned char op);

  std::string_view file_;
  std::string name_;
  uint64_t at_ = 0;
  size_t root_ = 0;
  std::deque<PickleNode> nodes_;
  std::vector<size_t> stack_, marks_, persistent_;
  std::map<uint64_t, size_t> memo_;
  std::map<const char*, std::string_view> encoded_;
  std::shared_ptr<std::deque<std::string>> decoded_ = std::make_shared<std::deque<std::string>>();
};

}  // namespace kaem
