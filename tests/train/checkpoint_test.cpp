#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "kaem/core/error.h"
#include "kaem/io/file.h"
#include "kaem/train/metrics.h"
#include "support/message.h"
#include "tiny_run.h"

namespace kaem {
namespace {

namespace fs = std::filesystem;

io::NamedTensors tensors_of(int64_t step) {
  return {{"model.a", at::arange(6, at::kFloat).reshape({2, 3}) + step}, {"data.n", at::full({}, step, at::kLong)}};
}

void save(RunFolder& folder, int64_t step, int64_t keep = 10) {
  Checkpoint checkpoint;
  checkpoint.step = step, checkpoint.epoch = step / 4, checkpoint.seconds = 1.5, checkpoint.config_hash = "h";
  folder.save_checkpoint(checkpoint, tensors_of(step), keep);
}

struct CheckpointTest : testing::Test {
  TempFolder temp{"checkpoint"};
  RunFolder folder = RunFolder::create(tiny_config(temp.path));
  std::string json(int64_t step) const {
    return fs::path(folder.checkpoint_path(step)).replace_extension(".json").string();
  }
  /// What is said of a checkpoint that is refused; empty if it is taken.
  std::string refusal(int* status = nullptr) const {
    try {
      folder.load_checkpoint();
      return "";
    } catch (const Error& e) {
      if (status != nullptr) *status = e.exit_status();
      test::expect_readable(e.what());
      return e.what();
    }
  }
};

/// While it lives, no file may grow beyond `bytes`: what a full disk does, without filling one.
struct FullDisk {
  explicit FullDisk(rlim_t bytes) {
    previous_handler = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &previous);
    const rlimit small{bytes, previous.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &previous);
    std::signal(SIGXFSZ, previous_handler);
  }
  rlimit previous{};
  void (*previous_handler)(int);
};

TEST_F(CheckpointTest, GivesBackWhatWasSaved) {
  save(folder, 8);
  const auto checkpoint = folder.load_checkpoint();
  EXPECT_EQ(checkpoint.step, 8);
  EXPECT_EQ(checkpoint.epoch, 2);
  EXPECT_EQ(checkpoint.seconds, 1.5);
  EXPECT_EQ(checkpoint.config_hash, "h");
  ASSERT_EQ(checkpoint.tensors.size(), 2u);
  EXPECT_TRUE(at::equal(checkpoint.tensors.at("model.a"), tensors_of(8)[0].second));
  EXPECT_TRUE(at::equal(checkpoint.tensors.at("data.n"), tensors_of(8)[1].second));
  const std::string text = read_text(json(8));
  EXPECT_NE(text.find("\"format\": 1"), std::string::npos) << text;
  EXPECT_NE(text.find(io::sha256(read_text(folder.checkpoint_path(8)))), std::string::npos) << text;
}

TEST_F(CheckpointTest, KeepsTheNewest) {
  for (int64_t step = 10; step <= 50; step += 10) save(folder, step, 2);
  EXPECT_EQ(folder.checkpoint_steps(), (std::vector<int64_t>{40, 50}));
  EXPECT_FALSE(fs::exists(folder.checkpoint_path(30)));
  EXPECT_TRUE(fs::exists(folder.checkpoint_path(40)));
}

TEST_F(CheckpointTest, ALaterRefusedOneDoesNotCountAmongTheKept) {
  save(folder, 20, 1);
  fs::copy_file(folder.checkpoint_path(20), folder.checkpoint_path(90));
  fs::copy_file(json(20), json(90));
  save(folder, 30, 1);
  EXPECT_EQ(folder.checkpoint_steps(), (std::vector<int64_t>{30, 90}));
}

TEST_F(CheckpointTest, FallsBackToTheNewestWholeOne) {
  for (const int64_t step : {10, 20, 30, 40}) save(folder, step);
  fs::resize_file(folder.checkpoint_path(40), fs::file_size(folder.checkpoint_path(40)) - 5);  // truncated
  std::string image = read_text(folder.checkpoint_path(30));
  image[image.size() - 3] ^= 1;  // one bit
  write_text(folder.checkpoint_path(30), image);
  fs::remove(json(20));  // does not exist without it
  testing::internal::CaptureStderr();
  const auto checkpoint = folder.load_checkpoint();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(checkpoint.step, 10);
  EXPECT_NE(said.find("step_40.safetensors is truncated or altered"), std::string::npos) << said;
  EXPECT_NE(said.find("step_30.safetensors is truncated or altered"), std::string::npos) << said;
  EXPECT_NE(said.find("step 10"), std::string::npos) << said;
}

TEST_F(CheckpointTest, DamagedDescriptionIsRefused) {
  save(folder, 10);
  save(folder, 20);
  for (const std::string text : {"", "{", "[]", "{\"format\": 1}", "{\"format\": \"1\", \"step\": 20}",
                                 "{\"format\": 1, \"step\": \"x\", \"epoch\": 1, \"sha256\": \"\"}"}) {
    write_text(json(20), text);
    testing::internal::CaptureStderr();
    EXPECT_EQ(folder.load_checkpoint().step, 10) << text;
    testing::internal::GetCapturedStderr();
  }
}

TEST_F(CheckpointTest, EveryByteOfItsDescriptionIsCovered) {
  Checkpoint checkpoint;
  checkpoint.step = 20, checkpoint.epoch = 5, checkpoint.seconds = 1.5, checkpoint.config_hash = "h";
  checkpoint.config = to_ini(kept_config(tiny_config(temp.path))), checkpoint.files = {{"vocabulary.txt", "0123"}};
  save(folder, 10);
  folder.save_checkpoint(checkpoint, tensors_of(20), 10);
  EXPECT_EQ(folder.load_checkpoint().config, checkpoint.config);
  EXPECT_EQ(folder.load_checkpoint().files, checkpoint.files);
  const std::string whole = read_text(json(20));
  for (size_t at = 0; at < whole.size(); at += at < 400 ? 1 : 37) {
    std::string text = whole;
    text[at] = static_cast<char>(text[at] ^ 1);
    write_text(json(20), text);
    testing::internal::CaptureStderr();
    int64_t step = -1;
    try {
      step = folder.load_checkpoint().step;
    } catch (const Error& e) {  // a format that is taken for a newer one
      EXPECT_EQ(e.exit_status(), 2) << at;
    }
    const std::string said = testing::internal::GetCapturedStderr();
    // Blanks between the values carry nothing; whatever else is not what was written is not used.
    EXPECT_TRUE(step == 20 ? whole[at] == ' ' || whole[at] == '\n' : step == -1 || !said.empty()) << at << ": " << said;
    if (step == 20) {
      EXPECT_EQ(folder.load_checkpoint().config, checkpoint.config);
    }
  }
  write_text(json(20), whole);
  fs::rename(json(20), json(21)), fs::rename(folder.checkpoint_path(20), folder.checkpoint_path(21));
  testing::internal::CaptureStderr();
  EXPECT_EQ(folder.load_checkpoint().step, 10);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("not that of its name"), std::string::npos);
}

TEST_F(CheckpointTest, ConfigurationThatIsNotWholeIsRefused) {
  const std::string path = folder.file("config.ini"), whole = read_text(path);
  const auto refused_config = [&](const std::string& text) {
    write_text(path, text);
    try {
      folder.config();
      return std::string();
    } catch (const DataError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(refused_config(whole), "");
  EXPECT_NE(refused_config("").find("empty, cut or no configuration"), std::string::npos);
  EXPECT_NE(refused_config(whole.substr(0, whole.size() / 2) + "x").find("cut"), std::string::npos);
  std::string edited = whole;
  edited.replace(edited.find("batch_size = 10"), 15, "batch_size = 20");
  EXPECT_NE(refused_config(edited).find("damaged or edited"), std::string::npos);
  EXPECT_NE(refused_config(edited).find("--set"), std::string::npos) << "what to do instead";
}

TEST_F(CheckpointTest, NoWholeOneIsAnErrorThatNamesThem) {
  EXPECT_NE(refusal().find("no checkpoint yet"), std::string::npos);
  save(folder, 10);
  fs::remove(folder.checkpoint_path(10));
  int status = 0;
  const std::string said = refusal(&status);
  EXPECT_NE(said.find("step_10"), std::string::npos) << said;
  EXPECT_EQ(status, 3);
}

TEST_F(CheckpointTest, NewerFormatEndsWithStatusTwo) {
  save(folder, 10);
  save(folder, 20);
  std::string text = read_text(json(20));
  text.replace(text.find("\"format\": 1"), 11, "\"format\": 2");
  write_text(json(20), text);
  int status = 0;
  const std::string said = refusal(&status);
  EXPECT_NE(said.find("format 2"), std::string::npos) << said;
  EXPECT_EQ(status, 2);
}

TEST_F(CheckpointTest, FullDiskLeavesTheOlderOnes) {
  save(folder, 10, 1);
  {
    const FullDisk full(64);
    try {
      save(folder, 20, 1);
      ADD_FAILURE() << "saved on a full disk";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("step_20.safetensors"), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(folder.checkpoint_steps(), (std::vector<int64_t>{10}));
  EXPECT_EQ(folder.load_checkpoint().step, 10);
}

TEST_F(CheckpointTest, RemovesWhatAKilledRunLeft) {
  write_text(folder.checkpoint_path(5), "tensors without a description");
  write_text(folder.file("checkpoints/step_6.safetensors.tmp.1.0"), "half a file");
  save(folder, 10);
  EXPECT_FALSE(fs::exists(folder.checkpoint_path(5)));
  EXPECT_FALSE(fs::exists(folder.file("checkpoints/step_6.safetensors.tmp.1.0")));
  EXPECT_EQ(folder.load_checkpoint().step, 10);
}

TEST(RunFolderTest, WhatWasKilledWhileItWasMadeIsMadeAgain) {
  const TempFolder temp("unborn");
  const auto config = named(tiny_config(temp.path), "a");
  const std::string path = temp.path + "/DARCY_FLOW/vanilla/a";
  fs::create_directories(path + "/checkpoints");
  write_text(path + "/meta.json", "{}");
  write_text(path + "/config.ini.tmp.1.0", "half");
  try {
    RunFolder::open(path);
    ADD_FAILURE() << "opened";
  } catch (const UsageError& e) {
    EXPECT_NE(std::string(e.what()).find("give its command again"), std::string::npos) << e.what();
  }
  EXPECT_EQ(RunFolder::create(config).path(), path);
  EXPECT_THROW(RunFolder::create(config), UsageError) << "now it is a run";
  fs::remove(path + "/config.ini");
  write_text(path + "/notes.txt", "mine");
  EXPECT_THROW(RunFolder::create(config), UsageError) << "somebody's folder";
}

TEST(RunFolderTest, NamesAreTimesUnlessGiven) {
  const TempFolder temp("names");
  auto config = tiny_config(temp.path);
  const auto first = RunFolder::create(config), second = RunFolder::create(config);
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(fs::path(first.path()).parent_path(), temp.path + "/DARCY_FLOW/vanilla");
  config.run.name = "mine";
  EXPECT_EQ(RunFolder::create(config).path(), temp.path + "/DARCY_FLOW/vanilla/mine");
  EXPECT_THROW(RunFolder::create(config), UsageError) << "exists";
  for (const std::string bad : {"a/b", "..", "last"}) {
    config.run.name = bad;
    EXPECT_THROW(RunFolder::create(config), UsageError) << bad;
  }
}

TEST(RunFolderTest, ADamagedOriginIsBegunAnew) {
  const TempFolder temp("meta");
  auto folder = RunFolder::create(tiny_config(temp.path), {"test", "cpu", 1, {}});
  const std::string path = folder.file("meta.json");
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("5"), std::string(R"({"data": 5, "resumed": 7})"),
        std::string(R"({"data": [3, "x", {"sha256": 4}], "resumed": {}})"), std::string(1000000, '['), std::string()}) {
    write_text(path, text);
    folder.add_session(4, {"test", "cpu", 1, {}});
    const std::string now = read_text(path);
    EXPECT_NE(now.find("\"step\": 4"), std::string::npos) << now.substr(0, 200);
  }
}

TEST(RunFolderTest, ConfigurationComesBack) {
  const TempFolder temp("config");
  auto config = tiny_config(temp.path);
  config.run.max_steps = 5;
  const auto folder =
      RunFolder::create(config, {.command_line = "kaem train --name \"x\"", .sources = {{"file", "d1"}}});
  auto expected = kept_config(config);
  EXPECT_EQ(expected.run.max_steps, 0);
  EXPECT_TRUE(fs::path(expected.data.root).is_absolute()) << "used from another folder, it has to hold";
  EXPECT_EQ(to_ini(folder.config()), to_ini(expected));
  const std::string meta = read_text(folder.file("meta.json"));
  for (const std::string part : {"\"version\"", "\"git_revision\"", "\"libtorch\"", "\"device\"", "\"threads\"",
                                 "\"seed\": 7", "kaem train --name \\\"x\\\"", "\"sha256\": \"d1\""})
    EXPECT_NE(meta.find(part), std::string::npos) << part << " in " << meta;
}

TEST(RunFolderTest, LastIsTheOneWrittenLast) {
  const TempFolder temp("last");
  auto config = tiny_config(temp.path);
  EXPECT_THROW(RunFolder::open("last", temp.path), UsageError);
  config.run.name = "b";
  auto older = RunFolder::create(config);
  config.run.name = "a", config.run.mode = "thermo";
  auto newer = RunFolder::create(config);
  const auto at = [](int minutes) { return fs::file_time_type::clock::now() - std::chrono::minutes(minutes); };
  for (const auto& name : {"config.ini", "meta.json"}) {
    fs::last_write_time(older.file(name), at(20));
    fs::last_write_time(newer.file(name), at(10));
  }
  EXPECT_EQ(RunFolder::open("last", temp.path).path(), newer.path());
  save(older, 3);  // written now
  EXPECT_EQ(RunFolder::open("last", temp.path).path(), older.path());
}

TEST(RunFolderTest, OtherFoldersAreRefused) {
  const TempFolder temp("open");
  EXPECT_THROW(RunFolder::open(temp / "absent"), UsageError);
  EXPECT_THROW(RunFolder::open(temp.path), UsageError);
}

TEST(RunFolderTest, UnwritablePlaceIsOneClearLine) {
  const TempFolder temp("unwritable");
  write_text(temp / "file", "");
  try {
    RunFolder::create(tiny_config(temp / "file"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_status(), 1);
    const std::string said = e.what();
    EXPECT_NE(said.find("cannot make the run folder " + temp.path + "/file"), std::string::npos) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos);
  }
}

TEST(MetricsTest, MeansSumsAndCuts) {
  const TempFolder temp("metrics");
  Metrics metrics(temp / "metrics.csv");
  metrics.add({{"loss", 1}, {"ess", 4}}, {{"grid_moved", 2}});
  metrics.add({{"loss", 2}, {"ess", 5}}, {{"grid_moved", 1}});
  metrics.write_row(2, 0, 0.5, 0.125);
  metrics.add({{"loss", 1.0 / 3}, {"ess", std::nan("")}}, {{"grid_moved", 0}});
  metrics.write_row(3, 1, 0.75, 0.25);
  const std::string header = "step,epoch,seconds,loss,ess,lr,grid_moved\n", two = "2,0,0.5,1.5,4.5,0.125,3\n";
  const std::string three = "3,1,0.75,0.333333333,nan,0.25,0\n";
  EXPECT_EQ(read_text(temp / "metrics.csv"), header + two + three);
  write_text(temp / "metrics.csv", header + two + three + "4,1,0.8");  // torn by a kill
  metrics.cut(4, 4);
  EXPECT_EQ(read_text(temp / "metrics.csv"), header + two + three);
  metrics.cut(3, 2);  // the run had stopped at 3, where it has no row of its own
  EXPECT_EQ(read_text(temp / "metrics.csv"), header + two);
  metrics.cut(1, 1);
  EXPECT_EQ(read_text(temp / "metrics.csv"), header);
}

TEST(MetricsTest, SumsCarryOver) {
  const TempFolder temp("sums");
  const double a = 0.1, b = 0.2, c = 0.3;
  Metrics straight(temp / "a.csv"), first(temp / "b.csv"), second(temp / "b.csv");
  for (const double x : {a, b, c}) straight.add({{"loss", x}}, {{"n", 1}});
  for (const double x : {a, b}) first.add({{"loss", x}}, {{"n", 1}});
  std::map<std::string, at::Tensor> saved;
  for (const auto& [name, tensor] : first.named_state()) saved[name] = tensor;
  second.restore(saved);
  second.add({{"loss", c}}, {{"n", 1}});
  straight.write_row(3, 0, 1, 1), second.write_row(3, 0, 1, 1);
  EXPECT_EQ(read_text(temp / "a.csv"), read_text(temp / "b.csv"));
}

TEST(MetricsTest, FullDiskIsAnError) {
  const TempFolder temp("full");
  Metrics metrics(temp / "metrics.csv");
  metrics.add({{"loss", 1}}, {});
  const FullDisk full(10);
  EXPECT_THROW(metrics.write_row(1, 0, 1, 1), Error);
}

}  // namespace
}  // namespace kaem
