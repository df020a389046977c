#include "mpira/genome/segmentation.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"

namespace mpira::genome {

Segmentation::Segmentation(std::filesystem::path const& file) {
    Lines lines(file);
    std::vector<std::string_view> fields;
    std::map<std::string, std::uint32_t, std::less<>> numbers;  // of states, in the order of the file
    while (lines.next()) {
        if (is_bed_remark(lines.line())) continue;
        split_fields(lines.line(), fields);
        if (fields.size() < 4) lines.refuse("expected chromosome, start, end and a state");
        auto const start = text::to_integer(fields[1]);
        auto const end = text::to_integer(fields[2]);
        if (!start || !end || *start < 0 || *end <= *start)
            lines.refuse(fmt::format("'{}' to '{}' is no interval", fields[1], fields[2]));
        auto const state = text::trim(fields[3]);
        if (state.empty()) lines.refuse("a segment without a state");
        auto const number =
            numbers.try_emplace(std::string(state), static_cast<std::uint32_t>(numbers.size())).first->second;
        auto const chrom = chroms_.try_emplace(std::string(fields[0])).first;
        chrom->second.push_back({*start, *end, number});
    }
    require(!chroms_.empty(), fmt::format("{}: holds no segment", file.string()));
    std::vector<std::uint32_t> sorted(numbers.size());
    for (auto const& [name, number] : numbers) {
        sorted[number] = static_cast<std::uint32_t>(states_.size());
        states_.push_back(name);
    }
    for (auto& [chrom, segments] : chroms_) {
        for (auto& segment : segments) segment.state = sorted[segment.state];
        std::ranges::sort(segments, {}, &Segment::start);
        for (std::size_t i = 1; i < segments.size(); ++i)
            if (segments[i - 1].end > segments[i].start)
                fail_usage(fmt::format("{}: segments {}:{}-{} and {}:{}-{} overlap; each base has one state",
                                       file.string(), chrom, segments[i - 1].start, segments[i - 1].end,
                                       chrom, segments[i].start, segments[i].end));
    }
}

std::string Segmentation::state_of(std::string_view chrom, std::int64_t start, std::int64_t end) const {
    auto const found = chroms_.find(chrom);
    if (found == chroms_.end()) return {};
    std::vector<std::int64_t> bases(states_.size());
    auto const& segments = found->second;
    auto segment = std::ranges::upper_bound(segments, start, {}, &Segment::end);
    for (; segment != segments.end() && segment->start < end; ++segment)
        bases[segment->state] += std::min(end, segment->end) - std::max(start, segment->start);
    auto const most = std::ranges::max_element(bases);
    return *most > 0 ? states_[static_cast<std::size_t>(most - bases.begin())] : std::string();
}

}  // namespace mpira::genome
