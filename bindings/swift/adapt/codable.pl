#!/usr/bin/env perl
# Writes the Codable conformances of the records: codable.pl <ReelkinGenerated.swift >Codable.swift
#
# The generator's own option is not used, because its JSON would differ from that of the other languages. Here it is that
# of Python's to_dict: keys and names without data are in snake_case, and a variant with data has its name in `type`.
use strict;
use warnings;

my $text = do { local $/; <STDIN> };

# Settings that hold a secret or are not public.
my %omitted = map { $_ => 1 } qw(AccessToken ClientOptions SandboxOptions VideoRequest);

sub snake {
    my ($name) = @_;
    $name =~ tr/`//d;
    $name =~ s/([A-Z])/_\l$1/g;
    return $name;
}

sub conformance {
    my ($type, $decode, $encode) = @_;
    print <<SWIFT;

extension $type: Codable, Field {
    public init(from decoder: any Decoder) throws {
$decode    }

    public func encode(to encoder: any Encoder) throws {
$encode    }
}
SWIFT
}

my $read_fields = "        let fields = try decoder.container(keyedBy: FieldName.self)\n";
my $write_fields = "        var fields = encoder.container(keyedBy: FieldName.self)\n";

sub record {
    my ($type, $body) = @_;
    my @names = $body =~ /^    public var (\S+):/mg or die "codable.pl: $type has no fields\n";
    conformance(
        $type,
        join('', $read_fields, map { "        $_ = try fields.field(\"@{[snake($_)]}\")\n" } @names),
        join('', $write_fields, map { "        try fields.set(\"@{[snake($_)]}\", $_)\n" } @names));
}

sub plain_enum {
    my ($type, @cases) = @_;
    conformance(
        $type,
        join('', "        let name = try decoder.singleValueContainer().decode(String.self)\n        switch name {\n",
            (map { "        case \"@{[snake($_)]}\": self = .$_\n" } @cases),
            "        default: throw unknownName(name, Self.self, decoder)\n        }\n"),
        join('', "        var value = encoder.singleValueContainer()\n        switch self {\n",
            (map { "        case .$_: try value.encode(\"@{[snake($_)]}\")\n" } @cases), "        }\n"));
}

# The labels of each case, in order. A single value without a label has the key `value`.
sub variant_enum {
    my ($type, $labels, @cases) = @_;
    my ($decode, $encode) = ('', '');
    for my $case (@cases) {
        my $name = ucfirst($case =~ tr/`//dr);
        my @labels = @{ $labels->{$case} };
        my @values = map { $_ || 'value' } @labels;
        my $arguments = join ', ',
            map { ($_ ? "$_: " : '') . 'try fields.field("' . snake($_ || 'value') . '")' } @labels;
        $decode .= "        case \"$name\": self = .$case" . (@labels ? "($arguments)" : '') . "\n";
        $encode .= "        case .$case" . (@values ? '(' . join(', ', map { "let $_" } @values) . ')' : '') . ":\n"
            . "            try fields.set(\"type\", \"$name\")\n"
            . join('', map { "            try fields.set(\"@{[snake($_)]}\", $_)\n" } @values);
    }
    conformance(
        $type,
        "$read_fields        let name: String = try fields.field(\"type\")\n        switch name {\n$decode"
            . "        default: throw unknownName(name, Self.self, decoder)\n        }\n",
        "$write_fields        switch self {\n$encode        }\n");
}

# An error is encoded as its details, which contain its kind.
sub error {
    my ($type, @cases) = @_;
    conformance(
        $type,
        join('', "        let details = try ErrorDetails(from: decoder)\n        switch details.code {\n",
            (map { "        case \"@{[snake($_)]}\": self = .$_(details: details)\n" } @cases),
            "        default: throw unknownName(details.code, Self.self, decoder)\n        }\n"),
        join('', "        switch self {\n", (map { "        case .$_(let details): try details.encode(to: encoder)\n" } @cases),
            "        }\n"));
}

print "// Written by adapt/codable.pl.\n";
my $count = 0;
while ($text =~ /^public\s+(struct|enum)\s+(\w+): (Equatable|Swift\.Error).*?^}/msg) {
    my ($kind, $type, $body) = ($1, $2, $&);
    next if $omitted{$type};
    $count++;
    if ($kind eq 'struct') {
        record($type, $body);
        next;
    }
    my @cases = $body =~ /^    case (`?\w+`?)/mg or die "codable.pl: $type has no cases\n";
    if ($type eq 'VideoError') {
        error($type, @cases);
        next;
    }
    # The labels are in the function that reads the enum from the native library.
    my ($read) = $text =~ /^public struct FfiConverterType$type:.*?throws -> $type \{(.*?)^    }/ms
        or die "codable.pl: no converter of $type\n";
    my %labels;
    while ($read =~ /return \.(`?\w+`?)(?:\((.*?)\n        \))?\s*$/msg) {
        my ($case, $arguments) = ($1, $2 // '');
        $labels{$case} = [map { /(\w+): try Ffi/ ? $1 : '' } split /(?<=\)), /, $arguments];
    }
    for my $case (@cases) {
        die "codable.pl: $type.$case is not read\n" unless $labels{$case};
    }
    if (grep { @$_ } values %labels) { variant_enum($type, \%labels, @cases) } else { plain_enum($type, @cases) }
}
die "codable.pl: only $count types in the generated module\n" if $count < 80;
