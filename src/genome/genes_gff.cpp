// GTF and GFF3.
#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "genome/gene_collector.hpp"

namespace mpira::genome {
namespace {

constexpr std::size_t kGffColumns = 9;

/// A line of GTF or GFF3: nine tab-separated columns, from 1, both ends inside.
struct GffLine {
    std::string_view chrom, type, attributes;
    std::int64_t start = 0;
    std::int64_t end = 0;
    char strand = '.';

    /// The 5' end, 0-based.
    [[nodiscard]] std::int64_t first_base() const { return strand == '+' ? start - 1 : end - 1; }
};

GffLine parse_gff(Lines const& lines, std::vector<std::string_view> const& fields) {
    GffLine line{fields[0], fields[2], fields[8], 0, 0, '.'};
    line.start = parse_position(lines, fields[3], "start", 1);
    line.end = parse_position(lines, fields[4], "end", 1);
    if (line.end < line.start)
        lines.refuse(fmt::format("the end ({}) lies before the start ({})", line.end, line.start));
    if (fields[6] != "+" && fields[6] != "-" && fields[6] != "." && fields[6] != "?")
        lines.refuse(fmt::format("the strand '{}' is none of + - . ?", fields[6]));
    line.strand = fields[6][0];
    return line;
}

/// The fields of the next data line; false at the end.
bool next_gff(Lines& lines, std::vector<std::string_view>& fields, GeneReport& report) {
    while (lines.next()) {
        if (lines.line().starts_with("##FASTA") || lines.line().starts_with('>')) return false;
        if (text::trim(lines.line()).empty() || lines.line().starts_with('#')) continue;
        fields = text::split(lines.line(), '\t');
        if (fields.size() < kGffColumns)
            lines.refuse(
                fmt::format("{} tab-separated columns were expected, {} found", kGffColumns, fields.size()));
        ++report.lines;
        return true;
    }
    return false;
}

/// The value of `key` in `gene_id "x"; gene_name "y; z"; level 2;`.
std::string_view gtf_attribute(std::string_view attributes, std::string_view key) {
    while (true) {
        attributes = text::trim(attributes);
        if (attributes.empty()) return {};
        auto const blank = attributes.find_first_of(" \t");
        if (blank == std::string_view::npos) return {};
        auto const name = attributes.substr(0, blank);
        attributes = text::trim(attributes.substr(blank));
        std::string_view value;
        if (attributes.starts_with('"')) {
            attributes.remove_prefix(1);
            auto const end = std::min(attributes.find('"'), attributes.size());
            value = attributes.substr(0, end);
            attributes.remove_prefix(std::min(end + 1, attributes.size()));
        } else {
            value = text::trim(attributes.substr(0, attributes.find(';')));
        }
        if (name == key) return value;
        auto const semicolon = attributes.find(';');
        if (semicolon == std::string_view::npos) return {};
        attributes.remove_prefix(semicolon + 1);
    }
}

/// The value of `key` in `ID=x;Parent=y,z`, still with its %XX.
std::string_view gff3_attribute(std::string_view attributes, std::string_view key) {
    for (auto const item : text::split(attributes, ';')) {
        auto const trimmed = text::trim(item);
        if (trimmed.size() > key.size() && trimmed.starts_with(key) && trimmed[key.size()] == '=')
            return trimmed.substr(key.size() + 1);
    }
    return {};
}

std::string without_percent(std::string_view value) {
    auto const digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        return -1;
    };
    std::string plain;
    for (std::size_t i = 0; i < value.size(); ++i) {
        bool const is_code =
            value[i] == '%' && i + 2 < value.size() && digit(value[i + 1]) >= 0 && digit(value[i + 2]) >= 0;
        plain += is_code ? static_cast<char>(16 * digit(value[i + 1]) + digit(value[i + 2])) : value[i];
        if (is_code) i += 2;
    }
    return plain;
}

template <typename Get>
std::string_view first_of(Get&& get, std::initializer_list<std::string_view> keys) {
    for (auto const key : keys)
        if (auto const value = get(key); !value.empty()) return value;
    return {};
}

/// In any case of letters: Ensembl's GTFs say five_prime_utr, its GFF3 files five_prime_UTR.
bool is_part_of_transcript(std::string_view type) {
    constexpr std::array<std::string_view, 6> kParts{"utr",  "codon", "intron",
                                                     "exon", "cds",   "selenocysteine"};
    constexpr std::array<std::string_view, 6> kOfAugustus{"tss",      "tts",      "initial",
                                                          "internal", "terminal", "single"};
    std::string lower(type);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return std::ranges::find(kOfAugustus, lower) != kOfAugustus.end() ||
           std::ranges::any_of(kParts, [&](auto part) { return lower.find(part) != std::string::npos; });
}

}  // namespace

Genes read_gtf(std::filesystem::path const& file, std::span<std::string const> chrom_names,
               GeneFilter const& filter) {
    Lines lines(file);
    GeneCollector genes(chrom_names);
    std::vector<std::string_view> fields;
    while (next_gff(lines, fields, genes.report)) {
        auto const attributes = fields[8];
        auto const get = [&](std::string_view key) { return gtf_attribute(attributes, key); };
        bool const is_gene = fields[2] == "gene";
        bool const is_transcript =
            fields[2] == "transcript" ||
            (!is_gene && !is_part_of_transcript(fields[2]) && !get("transcript_id").empty());
        if (!is_transcript && !is_gene) continue;
        auto const line = parse_gff(lines, fields);
        auto const chrom = genes.chrom(line.chrom);
        if (!chrom) continue;
        auto const id = get("gene_id");
        if (id.empty()) lines.refuse(fmt::format("this {} line has no gene_id \"...\"", line.type));
        if (line.strand != '+' && line.strand != '-') {
            ++genes.report.without_strand;
            continue;
        }
        auto const gene = genes.gene(std::string(id), first_of(get, {"gene_name", "gene"}),
                                     first_of(get, {"gene_type", "gene_biotype"}));
        Tss const start{gene, *chrom, line.first_base(), line.strand};
        if (is_transcript)
            genes.add_start(start);
        else
            genes.add_own_start(start);
    }
    return genes.finish(file, chrom_names, filter, "no gene and no transcript line with a strand");
}

Genes read_gff3(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                GeneFilter const& filter) {
    struct Child {
        std::string parent;
        Tss start;
    };
    Lines lines(file);
    GeneCollector genes(chrom_names);
    std::vector<Child> children;  // a Parent may stand on a later line
    std::vector<std::string_view> fields;
    while (next_gff(lines, fields, genes.report)) {
        auto const attributes = fields[8];
        auto const get = [&](std::string_view key) { return gff3_attribute(attributes, key); };
        auto const parents = get("Parent");
        bool const is_gene = fields[2].ends_with("gene");
        if (!is_gene && (parents.empty() || is_part_of_transcript(fields[2]))) continue;
        auto const line = parse_gff(lines, fields);
        auto const chrom = genes.chrom(line.chrom);
        if (!chrom) continue;
        if (is_gene && get("ID").empty()) lines.refuse(fmt::format("this {} line has no ID=...", line.type));
        if (line.strand != '+' && line.strand != '-') {
            ++genes.report.without_strand;
            continue;
        }
        Tss start{0, *chrom, line.first_base(), line.strand};
        if (is_gene) {
            start.gene = genes.gene(without_percent(get("ID")),
                                    without_percent(first_of(get, {"gene_name", "Name", "gene"})),
                                    without_percent(first_of(get, {"gene_type", "gene_biotype", "biotype"})));
            // ID may carry a prefix (Ensembl: gene:ENSG...), gene_id is the name that GTF has.
            if (auto const id = get("gene_id"); !id.empty()) genes.call(start.gene, without_percent(id));
            genes.add_own_start(start);
            continue;
        }
        for (auto const parent : text::split(parents, ','))
            children.push_back({without_percent(parent), start});
    }
    for (auto& child : children) {
        auto const gene = genes.find(child.parent);
        if (!gene) continue;  // a part of something else than a gene
        child.start.gene = *gene;
        genes.add_start(child.start);
    }
    return genes.finish(file, chrom_names, filter, "no line whose type ends in 'gene' with a strand");
}

}  // namespace mpira::genome
