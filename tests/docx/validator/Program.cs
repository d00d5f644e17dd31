// What the Open XML SDK finds wrong with Word files: one line for each error, and their number as the exit code.
using System;
using DocumentFormat.OpenXml;
using DocumentFormat.OpenXml.Packaging;
using DocumentFormat.OpenXml.Validation;

int errors = 0;
foreach (string path in args)
{
    using WordprocessingDocument document = WordprocessingDocument.Open(path, isEditable: false);
    foreach (ValidationErrorInfo error in new OpenXmlValidator(FileFormatVersions.Microsoft365).Validate(document))
    {
        Console.WriteLine($"{path}: {error.Part?.Uri} {error.Path?.XPath}: {error.Description}");
        errors++;
    }
}
return Math.Min(errors, 100);
