#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace kaem::app {

/// Letters (code points), not bytes: ± has two.
size_t columns_of(std::string_view text);

/// `text` in lines of at most `width` columns (code points), broken at blanks; each but the first begins with `indent`
/// blanks. A word that is longer stands alone.
std::string wrapped(std::string_view text, size_t width, size_t indent = 0);

/// Columns of standard output: of a terminal its own, of at least 60; of a file or pipe 100.
size_t output_columns();

/// Help whose lines fit the terminal.
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* sub) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_footer(const CLI::App* app) const override;
};

}  // namespace kaem::app
