#include "kaem/io/event_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iterator>

namespace kaem::io {
namespace {

// Wire types and field numbers of protocol buffers (event.proto, summary.proto, tensor.proto of TensorFlow).
enum Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  constexpr uint64_t kMore = 0x80;
  for (; value >= kMore; value >>= 7) out += static_cast<char>(value | kMore);
  out += static_cast<char>(value);
}

void put_key(std::string& out, int field, Wire wire) { put_varint(out, static_cast<uint64_t>(field) << 3 | wire); }

template <class T>
void put_raw(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

void put_integer(std::string& out, int field, int64_t value) {
  put_key(out, field, kVarint), put_varint(out, static_cast<uint64_t>(value));
}

void put_double(std::string& out, int field, double value) { put_key(out, field, kFixed64), put_raw(out, value); }

void put_float(std::string& out, int field, float value) { put_key(out, field, kFixed32), put_raw(out, value); }

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, kBytes), put_varint(out, bytes.size());
  out += bytes;
}

void put_doubles(std::string& out, int field, const std::vector<double>& values) {
  std::string packed;
  for (const double value : values) put_raw(packed, value);
  put_bytes(out, field, packed);
}

/// CRC-32C (Castagnoli), as TFRecord masks it.
uint32_t masked_checksum(std::string_view bytes) {
  constexpr uint32_t kPolynomial = 0x82F63B78, kMask = 0xA282EAD8;
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < t.size(); ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ kPolynomial : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t c = ~uint32_t{0};
  for (const char byte : bytes) c = table[(c ^ static_cast<uint8_t>(byte)) & 0xFF] ^ c >> 8;
  return std::rotr(~c, 15) + kMask;
}

std::string record_of(std::string_view event) {
  std::string record;
  put_raw(record, static_cast<uint64_t>(event.size()));
  put_raw(record, masked_checksum(record));
  record += event;
  put_raw(record, masked_checksum(event));
  return record;
}

std::string named(const std::string& tag) {
  std::string value;
  put_bytes(value, 1, tag);
  return value;
}

/// A Summary of one Value.
std::string summary_of(std::string_view value) {
  std::string summary;
  put_bytes(summary, 1, value);
  return summary;
}

/// The beginning of every file.
constexpr std::string_view kVersion = "brain.Event:2";

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

HistogramSummary histogram_of(const std::vector<double>& values, int64_t bins) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite), [](double v) { return std::isfinite(v); });
  HistogramSummary h;
  if (finite.empty()) return h;
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  h.min = *low, h.max = *high, h.number = static_cast<double>(finite.size());
  const double width = (h.max - h.min) / static_cast<double>(bins);
  const auto cells = static_cast<size_t>(width > 0 ? bins : 1);
  for (size_t i = 1; i <= cells; ++i) h.limits.push_back(i == cells ? h.max : h.min + width * static_cast<double>(i));
  h.counts.assign(cells, 0);
  for (const double value : finite) {
    h.sum += value, h.sum_of_squares += value * value;
    const auto cell = static_cast<size_t>(std::lower_bound(h.limits.begin(), h.limits.end(), value) - h.limits.begin());
    ++h.counts[std::min(cell, cells - 1)];
  }
  return h;
}

void EventFile::append(std::string_view summary, int64_t step) const {
  std::string records, event;
  if (!file_.exists()) {
    put_double(event, 1, now()), put_bytes(event, 3, kVersion);
    records = record_of(event);
    event.clear();
  }
  put_double(event, 1, now()), put_integer(event, 2, step), put_bytes(event, 5, summary);
  file_.append(records + record_of(event));
}

void EventFile::scalars(const std::vector<std::pair<std::string, double>>& values, int64_t step) const {
  std::string summary;
  for (const auto& [tag, number] : values) {
    std::string value = named(tag);
    put_float(value, 2, static_cast<float>(number));
    put_bytes(summary, 1, value);
  }
  append(summary, step);
}

void EventFile::picture(const std::string& tag, std::string_view png, int64_t step) const {
  constexpr size_t kWidthAt = 16, kHeightAt = 20;  // of the header chunk, which is the first
  const auto big_endian = [&](size_t at) {
    int64_t number = 0;
    for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(png.at(at + i));
    return number;
  };
  std::string image, value = named(tag);
  put_integer(image, 1, big_endian(kHeightAt)), put_integer(image, 2, big_endian(kWidthAt));
  put_integer(image, 3, 3), put_bytes(image, 4, png);
  put_bytes(value, 4, image);
  append(summary_of(value), step);
}

void EventFile::histogram(const std::string& tag, const HistogramSummary& h, int64_t step) const {
  std::string proto, value = named(tag);
  int field = 0;
  for (const double number : {h.min, h.max, h.number, h.sum, h.sum_of_squares}) put_double(proto, ++field, number);
  put_doubles(proto, 6, h.limits), put_doubles(proto, 7, h.counts);
  put_bytes(value, 5, proto);
  append(summary_of(value), step);
}

void EventFile::text(const std::string& tag, std::string_view markdown, int64_t step) const {
  constexpr int64_t kString = 7;  // DT_STRING
  std::string plugin, metadata, dimension, shape, tensor, value = named(tag);
  put_bytes(plugin, 1, "text"), put_bytes(metadata, 1, plugin);
  put_integer(dimension, 1, 1), put_bytes(shape, 2, dimension);
  put_integer(tensor, 1, kString), put_bytes(tensor, 2, shape), put_bytes(tensor, 8, markdown);
  put_bytes(value, 8, tensor), put_bytes(value, 9, metadata);
  append(summary_of(value), step);
}

}  // namespace kaem::io
