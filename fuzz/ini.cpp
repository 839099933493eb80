#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/ini.h"
#include "config/value.h"
#include "fuzz/target.h"

namespace {

template <class T>
void try_value(const std::string& text, const kaem::Key& key) {
  T value{}, again{};
  if (!kaem::config::assign(text, key, &value)) return;
  if (!kaem::config::assign(kaem::config::print(&value), key, &again) || !(again == value)) __builtin_trap();
}

}  // namespace

/// Any bytes are either read or refused with a ConfigError; values that are taken print to what reads back the same.
void kaem_fuzz(std::string_view bytes) {
  const kaem::Key any{.name = "k", .help = ""}, words{.name = "k", .help = "", .choices = {"importance", "ula"}};
  for (const auto& entry : kaem::config::read_ini(bytes, "fuzz").entries) {
    try_value<bool>(entry.value, any);
    try_value<int64_t>(entry.value, any);
    try_value<uint64_t>(entry.value, any);
    try_value<double>(entry.value, any);
    try_value<std::string>(entry.value, any);
    try_value<std::string>(entry.value, words);
    try_value<std::vector<int64_t>>(entry.value, any);
    try_value<std::vector<double>>(entry.value, any);
  }
}
