#include "mpira/report/status_text.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace mpira::report {
namespace {

TEST(StatusText, ErrorsAreWholeAndWrappedUnderTheirLine) {
    std::string const path = "/scratch/" + std::string(120, 'x') + "/genome.fa";  // wider than a line
    std::string const error =
        "element_12 of " + path +
        ": no window of complete rows lies on its chromosome;\nwiden sites.max_span_bp, "
        "now 5,000,000, or leave the element out of elements.bed";
    store::Status status;
    status.units = 10;
    status.failed = 2;
    status.first_errors = {{7, 28, 2, "node1 Xeon", error, false}, {9, 36, 2, "node1 Xeon", "cut he", true}};
    auto const text = status_text(status, "a.h5ad");
    std::string words;
    std::istringstream lines(text.substr(text.find("failed     unit 7")));
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, "failed     unit 7 (rows from 28), attempt 2, on node1 Xeon");
    while (std::getline(lines, line) && line.starts_with("           ")) {
        EXPECT_TRUE(line.size() <= 100 || line.find(path) != std::string::npos) << line;
        if (!words.empty()) words += ' ';
        words.append(line, 11);
    }
    auto one_line = error;
    one_line[one_line.find('\n')] = ' ';
    EXPECT_EQ(words, one_line);
    EXPECT_THAT(text, testing::HasSubstr("           cut he... (the log has the rest)\n"));
    auto const json = status_json(status);
    EXPECT_EQ(json["first_errors"][0]["error"], error);
    EXPECT_EQ(json["first_errors"][1]["cut"], true);
}

}  // namespace
}  // namespace mpira::report
