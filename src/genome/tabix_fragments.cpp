#include <utility>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "genome/fragment_source.hpp"
#include "genome/tabix_lines.hpp"

namespace mpira::genome {
namespace {

class TabixFragments final : public FragmentFile::Source {
public:
    TabixFragments(std::filesystem::path const& file, HtsFile opened)
        : Source(file), lines_(*this, std::move(opened)) {}

    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each) override {
        lines_.read(chrom, start, end, [&](std::string_view line) { each(parse(line)); });
    }
    [[nodiscard]] bool is_alignments() const noexcept override { return false; }
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept override { return lines_.chroms(); }

private:
    [[nodiscard]] Fragment parse(std::string_view line) const {
        auto rest = line;
        std::string_view fields[4];
        std::size_t count = 0;
        for (bool more = true; more && count < 4; ++count) {
            auto const tab = rest.find('\t');
            fields[count] = rest.substr(0, tab);
            more = tab != std::string_view::npos;
            if (more) rest.remove_prefix(tab + 1);
        }
        auto const start = count > 2 ? text::to_integer(fields[1]) : std::nullopt;
        auto const end = count > 2 ? text::to_integer(fields[2]) : std::nullopt;
        if (!start || !end || *start < 0 || *start >= *end)
            refuse(fmt::format(
                "'{}' is no fragment: expected chromosome, start, end (integers, start < end) and barcode, "
                "separated by tabs",
                line.substr(0, 80)));
        return {*start, *end, fields[3], '.', 1};
    }

    TabixLines lines_;
};

}  // namespace

std::unique_ptr<FragmentFile::Source> open_tabix_fragments(std::filesystem::path const& file,
                                                           HtsFile opened) {
    return std::make_unique<TabixFragments>(file, std::move(opened));
}

}  // namespace mpira::genome
