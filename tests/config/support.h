#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kaem/config/config.h"
#include "kaem/core/error.h"
#include "support/message.h"

namespace kaem {

/// The message of the ConfigError (or UsageError) that `call` throws; exit status 2 is checked.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_status(), 2);
    test::expect_readable(error.what());
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

/// What a file of this text, named f.ini, is refused for.
inline std::string refused(const std::string& text) {
  return refusal([&] { parse_config(text, "f.ini"); });
}

/// What `--set` with this text is refused for.
inline std::string refused_set(const std::string& text) {
  return refusal([&] { load_config("", {parse_override(text)}, "", ""); });
}

/// True if one of the notes contains `part`.
inline bool noted(const Config& config, const std::string& part) {
  for (const auto& note : config.notes)
    if (note.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace kaem
