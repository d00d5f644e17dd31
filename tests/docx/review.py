"""A reviewer in LibreOffice: opens a file, edits it with change tracking on, decides on the changes, and saves it as .docx.

Usage: review.py SOFFICE FILE FOLDER. Prints one line of JSON about the file as it was opened; FOLDER then has a file for
each way to review it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException

ACCEPT, REJECT = ".uno:AcceptAllTrackedChanges", ".uno:RejectAllTrackedChanges"


def option(name, value):
    made = PropertyValue()
    made.Name, made.Value = name, value
    return made


def replace(document, old, new):
    search = document.createSearchDescriptor()
    search.SearchString = old
    found = document.findFirst(search)
    assert found is not None, old
    found.String = new


def edit(document):
    replace(document, "偏弱", "有所欠缺")
    replace(document, "建议纳入继任者计划。", "")


def append(document):
    search = document.createSearchDescriptor()
    search.SearchString = "建议纳入继任者计划。"
    end = document.findFirst(search).End
    end.Text.insertString(end.Text.createTextCursorByRange(end), "主管补充。", False)


REVIEWS = {
    "saved": [],
    "accepted": [ACCEPT],
    "rejected": [REJECT],
    "edited": [edit],
    "edited-accepted": [edit, ACCEPT],
    "appended-accepted": [append, ACCEPT],
    "without-comments": [ACCEPT, ".uno:DeleteAllNotes", ACCEPT],
}


def connect(address):
    context = uno.getComponentContext()
    resolver = context.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", context)
    for _ in range(240):
        try:
            return resolver.resolve(f"uno:{address};urp;StarOffice.ComponentContext")
        except NoConnectException:
            time.sleep(0.5)
    sys.exit("LibreOffice does not answer")


def main():
    soffice, file, folder = sys.argv[1:]
    profile = tempfile.TemporaryDirectory()
    address = f"pipe,name=tailora{os.getpid()}"
    arguments = [f"-env:UserInstallation={pathlib.Path(profile.name).as_uri()}", "--headless", "--norestore", f"--accept={address};urp;"]
    office = subprocess.Popen([soffice, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        context = connect(address)
        make = lambda name: context.ServiceManager.createInstanceWithContext(f"com.sun.star.frame.{name}", context)
        desktop, dispatcher = make("Desktop"), make("DispatchHelper")
        for name, steps in REVIEWS.items():
            document = desktop.loadComponentFromURL(pathlib.Path(file).resolve().as_uri(), "_blank", 0, (option("Hidden", True),))
            if not steps:
                notes = [field for field in document.TextFields if field.supportsService("com.sun.star.text.textfield.Annotation")]
                authors = sorted({note.Author for note in notes})
                print(json.dumps({"tracking": document.RecordChanges, "comments": len(notes), "authors": authors}))
            for step in steps:
                if callable(step):
                    step(document)
                else:
                    dispatcher.executeDispatch(document.CurrentController.Frame, step, "", 0, ())
            target = pathlib.Path(folder).resolve() / f"{name}.docx"
            document.storeToURL(target.as_uri(), (option("FilterName", "MS Word 2007 XML"),))
            document.close(True)
        desktop.terminate()
    finally:
        office.wait(timeout=60)
        profile.cleanup()


main()
