#!/usr/bin/env perl
# Makes the generated module what Swift expects, on its way to the package: adapt.pl Calls.swift <generated >adapted
#
#   cancellation   every async call goes through cancellableRustCall of Calls.swift, which drops the Rust future
#   Duration       in the place of TimeInterval, which is a Double, and ends the process when it is negative
#   case names     of the error begin small, as all others do
#
# Each step dies if it finds nothing to do: then the generator has changed, and this has to be looked at.
use strict;
use warnings;

my $calls = do { local (@ARGV, $/) = shift or die "usage: adapt.pl Calls.swift\n"; <> };
my $text = do { local $/; <STDIN> };

sub step {
    my ($name, $done) = @_;
    die "adapt.pl: $name: nothing found in the generated module\n" unless $done;
}

step 'async calls', $text =~ s/\buniffiRustCallAsync\(/cancellableRustCall(/g;
step 'cancel functions', $text =~ s/(freeFunc: (ffi_\w+?_rust_future_)free_(\w+))/cancelFunc: $2cancel_$3,\n            $1/g;
step 'the old call', $text =~ s/^fileprivate func uniffiRustCallAsync<.*?^}\n//ms;

step 'the old Duration', $text =~ s/^fileprivate struct FfiConverterDuration:.*?^}\n//ms;
step 'Duration', $text =~ s/\bTimeInterval\b/Duration/g;

my ($kinds) = $text =~ /^enum VideoError:(.*?)^}/ms or die "adapt.pl: no enum VideoError\n";
for my $kind ($kinds =~ /\bcase (\w+)\(/g) {
    my $small = lcfirst $kind;
    step "case $kind", $text =~ s/\bcase $kind\(\n/case `$small`(\n/;
    step "reading $kind", $text =~ s/return \.$kind\(\n/return .$small(\n/;
    step "writing $kind", $text =~ s/case let \.$kind\(details\)/case let .$small(details)/;
}

print $text, $calls;
