#include "config/support.h"

namespace kaem {
namespace {

TEST(Ini, TakesEveryLayoutOfALine) {
  const Config c = parse_config(
      "\xEF\xBB\xBF; a comment\r\n# another\r\n  [training]  \r\n\tbatch_size=7\t\r\n   N_train : 9 ; why\r\n\r\n"
      "seed = 3 # because\n[EBMMODEL]\nε_scale = 0.5\n",
      "f.ini");
  EXPECT_EQ(c.run.batch_size, 7);
  EXPECT_EQ(c.data.train_size, 9);
  EXPECT_EQ(c.run.seed, 3u);
  EXPECT_EQ(c.model.prior.basis.eps_scale, 0.5);
}

TEST(Ini, EmptyTextIsTheDefaults) {
  EXPECT_EQ(to_ini(parse_config("", "f.ini")), to_ini(load_config("", {}, "", "")));
  EXPECT_EQ(to_ini(parse_config("\n\n;\n#\n[TRAINING]\n", "f.ini")), to_ini(parse_config("", "f.ini")));
}

TEST(Ini, MessagesNameTheLine) {
  EXPECT_EQ(refused("[TRAINING]\n\nbatch_size\n"), "f.ini:3: expected 'key = value', '[section]' or a comment");
  EXPECT_EQ(refused("[TRAINING\nbatch_size = 3\n"), "f.ini:1: expected '[section]' alone on its line");
  EXPECT_EQ(refused("; x\n[TRAINING] batch_size = 3\n"), "f.ini:2: expected '[section]' alone on its line");
  EXPECT_EQ(refused("[ ]\n"), "f.ini:1: the section has no name");
  EXPECT_EQ(refused("batch_size = 3\n"), "f.ini:1: 'batch_size' stands before any [section]");
  EXPECT_EQ(refused("[TRAINING]\n= 3\n"), "f.ini:2: expected 'key = value', '[section]' or a comment");
  EXPECT_EQ(refused(std::string("[TRAINING]\nseed = 1\0 2\n", 23)), "f.ini:2: holds a zero byte; is this a text file?");
}

TEST(Ini, RefusesLinesThatTheReaderWouldCut) {
  const std::string longest = "darcy_file = " + std::string(160, 'x');
  EXPECT_EQ(parse_config("[DATA]\n" + longest + "\n", "f.ini").data.darcy_file.size(), 160u);
  EXPECT_EQ(refused("[DATA]\ndarcy_file = " + std::string(190, 'x') + "\n"), "f.ini:2: longer than 198 bytes");
  EXPECT_NE(refused("[DATA]\n" + longest + "y\n").find("at most 160 bytes"), std::string::npos);
  EXPECT_NO_THROW(parse_config("; " + std::string(1000, 'x') + "\n[DATA]\n", "f.ini")) << "comments may be long";
}

TEST(Ini, FormatNumber) {
  EXPECT_NO_THROW(parse_config("; kaem config 1\n", "f.ini"));
  EXPECT_EQ(refused("; kaem config 2\n"),
            "f.ini:1: configuration format 2 was written by a newer version; this one reads 1");
  EXPECT_EQ(refused("; kaem config one\n"), "f.ini:1: expected '; kaem config' and a format number of 1 or more");
}

TEST(Ini, OneLineOfErrorForAnyBytes) {
  // Every prefix of a good file, and every byte replaced by odd ones, is either read or refused in one line.
  const std::string good = "[TRAINING]\nbatch_size = 10 ; x\nε = 1\n[POST_LANGEVIN]\nsampler = importance\n";
  for (size_t i = 0; i < good.size(); ++i)
    for (const std::string& text :
         {good.substr(0, i), good.substr(0, i) + '\0' + good.substr(i + 1),
          good.substr(0, i) + '\xFF' + good.substr(i + 1), good.substr(0, i) + '[' + good.substr(i + 1)}) {
      try {
        parse_config(text, "f.ini");
      } catch (const ConfigError& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      }
    }
}

}  // namespace
}  // namespace kaem
