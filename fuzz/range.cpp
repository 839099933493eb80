#include <charconv>
#include <cstdlib>

#include "fuzz/target.h"
#include "kaem/config/range.h"

namespace {

/// True if the text is one of the choices, or a number within the ends.
bool is_inside(const kaem::Range& range, const std::string& text) {
  for (const auto& choice : range.choices)
    if (choice == text) return true;
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return range.choices.empty() && fault == std::errc() && end == text.data() + text.size() && value >= range.low &&
         value <= range.high;
}

}  // namespace

/// Ranges: what is taken prints to the same range, and all its values lie inside.
void kaem_fuzz(std::string_view bytes) {
  const kaem::Range range = kaem::parse_range(bytes);
  if (!(kaem::parse_range(kaem::to_text(range)) == range)) std::abort();
  for (const double u : {0.0, 0.3, 0.5, 0.999999999999, 0x1.fffffffffffffp-1})
    if (!is_inside(range, range.at(u))) std::abort();
  for (const int64_t points : {1, 2, 7})
    for (const auto& value : range.grid(points))
      if (!is_inside(range, value)) std::abort();
}
