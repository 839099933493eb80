#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// A second reader of event files, by the rules of TFRecord and of protocol buffers alone.
namespace kaem::test {

/// The fields of a message: number -> values, a fixed or variable integer as its eight bytes.
using Message = std::map<uint64_t, std::vector<std::string>>;

inline uint64_t integer_of(std::string_view bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

template <class T>
T number_of(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

inline Message parse_message(std::string_view bytes) {
  Message message;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes.at(at++));
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.size()) {
    const uint64_t key = varint(), wire = key & 7;
    size_t length = wire == 1 ? 8 : wire == 5 ? 4 : 0;
    if (wire == 0) {
      const uint64_t value = varint();
      message[key >> 3].emplace_back(reinterpret_cast<const char*>(&value), sizeof value);
      continue;
    }
    if (wire == 2) length = varint();
    message[key >> 3].emplace_back(bytes.substr(at, length));
    at += length;
  }
  return message;
}

/// CRC-32C bit by bit (RFC 3720 B.4), masked as TFRecord has it.
inline uint32_t masked_crc(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/// One value of an event: its update, its tag, and the message of the value (2: scalar, 4: image, 5: histogram, 8:
/// tensor).
struct EventValue {
  uint64_t step = 0;
  std::string tag;
  Message value;
};

/// All values of a file of events; failures where a frame or a checksum is wrong.
inline std::vector<EventValue> read_events(std::string_view file) {
  std::vector<EventValue> values;
  bool first = true;
  while (!file.empty()) {
    if (file.size() < 16) {
      ADD_FAILURE() << "a torn record";
      break;
    }
    const auto length = number_of<uint64_t>(file);
    EXPECT_EQ(number_of<uint32_t>(file.substr(8)), masked_crc(file.substr(0, 8)));
    const std::string_view content = file.substr(12, length);
    EXPECT_EQ(number_of<uint32_t>(file.substr(12 + length)), masked_crc(content));
    Message event = parse_message(content);
    EXPECT_GT(number_of<double>(event.at(1)[0]), 1.7e9) << "a time";
    if (first) {
      EXPECT_EQ(event.at(3)[0], "brain.Event:2");
    }
    first = false;
    for (const auto& bytes : event[5]) {
      const Message summary = parse_message(bytes);
      for (const auto& part : summary.at(1)) {
        const Message value = parse_message(part);
        values.push_back({event.contains(2) ? integer_of(event[2][0]) : 0, value.at(1)[0], value});
      }
    }
    file.remove_prefix(16 + length);
  }
  return values;
}

}  // namespace kaem::test
