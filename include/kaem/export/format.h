#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/train/trainer.h"

/// Files for other programs: `kaem export`. A format is a file of src/export/ and a row of its table.
namespace kaem::exports {

struct Options {
  std::string out;        ///< file to write
  int64_t bits = 12;      ///< of the look-up tables: 2^bits entries of `bits` bits a component
  int64_t count = 10000;  ///< samples
};

/// Bits that a look-up table may have.
inline constexpr int64_t kLeastBits = 2, kMostBits = 16;

/// A row of the table.
struct Format {
  std::string_view name, help;
  std::vector<std::string> endings;  ///< of file names; the first is that of `kaem export` without --out
  std::string_view stem;             ///< of that name
  std::vector<std::string> takes;    ///< options of `kaem export` that have an effect: "bits", "count", "seed"

  /// Why this run cannot be written so; empty: it can.
  std::string (*obstacle)(const LoadedRun& run);

  /// Writes the file. What it holds, in lines to be printed behind its name. Error if it cannot be written.
  std::string (*write)(LoadedRun& run, const Options& options, const Rng& rng);
};

std::vector<Format> all_formats();
std::vector<std::string> format_names();

/// The row of this name; UsageError with the nearest if there is none.
Format format_of(const std::string& name);

}  // namespace kaem::exports
